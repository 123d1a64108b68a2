//! The benchmark's table: figures, and each target with its verdict. Printing only; nothing is measured here.

use std::fmt::Write as _;

use super::measure::Summary;

/// A figure beside its target.
pub(super) struct Target {
    what: &'static str,
    value: f64,
    /// The promise.
    bound: f64,
    /// The hope.
    aim: f64,
    unit: &'static str,
    most: bool,
}

impl Target {
    /// A figure that must not be above `bound`; `aim` is the next goal.
    pub(super) fn at_most(what: &'static str, value: f64, bound: f64, aim: f64, unit: &'static str) -> Self {
        Self { what, value, bound, aim, unit, most: true }
    }

    /// A figure that must not be below `bound`.
    pub(super) fn at_least(what: &'static str, value: f64, bound: f64, unit: &'static str) -> Self {
        Self { what, value, bound, aim: bound, unit, most: false }
    }

    fn met(&self) -> bool {
        if self.most { self.value <= self.bound } else { self.value >= self.bound }
    }

    fn verdict(&self) -> &'static str {
        let aim = if self.most { self.value <= self.aim } else { self.value >= self.aim };
        match (self.met(), aim) {
            (false, _) => "MISSED",
            (true, true) => "met",
            (true, false) => "met, not the aim",
        }
    }

    fn cells(&self) -> [String; 4] {
        let sign = if self.most { "<=" } else { ">=" };
        let aim = if self.aim == self.bound { String::new() } else { format!(" (aim {})", self.aim) };
        let figure = format!("{:.2} {}", self.value, self.unit);
        [
            self.what.to_owned(),
            figure,
            format!("{sign} {}{aim} {}", self.bound, self.unit),
            self.verdict().to_owned(),
        ]
    }
}

/// One measured program.
pub(super) struct Row {
    name: String,
    cost: Summary,
    targets: Vec<Target>,
}

impl Row {
    /// A row without a target.
    pub(super) fn new(name: impl Into<String>, cost: Summary) -> Self {
        Self { name: name.into(), cost, targets: Vec::new() }
    }

    /// The same row with its targets.
    pub(super) fn with(mut self, targets: Vec<Target>) -> Self {
        self.targets = targets;
        self
    }

    fn cells(&self) -> [String; 5] {
        let Summary { median, min, max } = &self.cost;
        let ms = |time: std::time::Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        let memory = format!("{:.1}", max.memory as f64 / f64::from(1 << 20));
        let spread = format!("{} - {}", ms(min.cpu), ms(max.cpu));
        [self.name.clone(), ms(median.cpu), spread, ms(median.wall), memory]
    }
}

/// All rows, targets and notes of one run.
pub(super) struct Report {
    title: String,
    rows: Vec<Row>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

const COSTS: [&str; 5] = ["program", "CPU ms", "min - max", "wall ms", "peak MiB"];
const TARGETS: [&str; 4] = ["target", "figure", "bound", "verdict"];

impl Report {
    /// An empty report about one image; `bytes` are those of its compressed layers.
    pub(super) fn new(image: &str, layers: usize, bytes: u64, runs: usize) -> Self {
        let mb = bytes as f64 / 1e6;
        let title = format!("{image}: {layers} layers, {mb:.1} MB compressed; medians of {runs} runs");
        Self { title, rows: Vec::new(), targets: Vec::new(), notes: Vec::new() }
    }

    /// Adds a measured program.
    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a target that concerns more than one row.
    pub(super) fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// Adds a line below the tables.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// True when a target was missed.
    pub(super) fn missed(&self) -> bool {
        self.all_targets().any(|target| !target.met())
    }

    /// Aligned text for a terminal.
    pub(super) fn text(&self) -> String {
        let (costs, targets) = self.cells();
        let mut out = format!("{}\n\n{}", self.title, aligned(&COSTS, &costs));
        let _ = write!(out, "\n{}", aligned(&TARGETS, &targets));
        for note in &self.notes {
            let _ = writeln!(out, "{note}");
        }
        out
    }

    /// Markdown tables.
    pub(super) fn markdown(&self) -> String {
        let (costs, targets) = self.cells();
        let mut out = format!("{}\n\n{}\n{}", self.title, piped(&COSTS, &costs), piped(&TARGETS, &targets));
        for note in &self.notes {
            let _ = write!(out, "\n{note}\n");
        }
        out
    }

    fn all_targets(&self) -> impl Iterator<Item = &Target> {
        self.rows.iter().flat_map(|row| &row.targets).chain(&self.targets)
    }

    fn cells(&self) -> (Vec<[String; 5]>, Vec<[String; 4]>) {
        (self.rows.iter().map(Row::cells).collect(), self.all_targets().map(Target::cells).collect())
    }
}

/// First column to the left, the others to the right.
fn aligned<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let mut widths = head.clone().map(|cell| cell.len());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (idx, (width, cell)) in widths.iter().zip(row).enumerate() {
            let _ = if idx == 0 { write!(line, "{cell:width$}") } else { write!(line, "  {cell:>width$}") };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn piped<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_tell_bound_from_aim() {
        let check = |value, expected| {
            assert_eq!(Target::at_most("CPU", value, 2.0, 1.5, "x").verdict(), expected, "{value}");
        };
        check(1.4, "met");
        check(1.8, "met, not the aim");
        check(2.1, "MISSED");
        assert_eq!(Target::at_least("syft", 4.9, 5.0, "x").verdict(), "MISSED");
        assert_eq!(Target::at_least("syft", 5.0, 5.0, "x").verdict(), "met");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["long".to_owned(), "100".to_owned()]];
        assert_eq!(aligned(&["x", "n"], &rows), "x       n\na       1\nlong  100\n");
    }
}
