//! The tables of `testdata/versions`: one `<scheme>.txt` for every scheme, rows of `a < b`, `a = b`, `a > b`.

use std::{cmp::Ordering, collections::BTreeSet, fs, path::PathBuf};

use super::{SCHEMES, Scheme, scheme};

const LEAST_ROWS: usize = 300;

/// One line of a table.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) a: String,
    pub(super) sign: Ordering,
    pub(super) b: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/versions")
}

/// The rows of the table of that scheme.
pub(super) fn load(name: &str) -> Vec<Row> {
    let path = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(name, &text)
}

fn parse(name: &str, text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, row)| {
            let fields: Vec<&str> = row.split_ascii_whitespace().collect();
            let [a, sign, b] = fields[..] else { panic!("{name}:{line}: not `a SIGN b`: {row}") };
            let sign = match sign {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                _ => panic!("{name}:{line}: no sign: {row}"),
            };
            Row { line, a: a.to_owned(), sign, b: b.to_owned() }
        })
        .collect()
}

/// What a scheme gets wrong, one line each.
fn wrong(scheme: &dyn Scheme, rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Row { line, a, sign, b } in rows {
        for (x, y, expected) in [(a, b, *sign), (b, a, sign.reverse())] {
            let got = scheme.compare(x, y);
            if got != expected {
                wrong.push(format!("{}:{line}: {x} {y}: {got:?}, not {expected:?}", scheme.name()));
            }
        }
    }
    wrong
}

#[test]
fn every_scheme_has_a_table_and_every_table_a_scheme() {
    let schemes: BTreeSet<String> = SCHEMES.iter().map(|scheme| format!("{}.txt", scheme.name())).collect();
    assert_eq!(schemes.len(), SCHEMES.len(), "two schemes have one name");
    let tables: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    assert_eq!(schemes, tables);
}

#[test]
fn schemes_agree_with_their_tables() {
    let mut problems = Vec::new();
    for scheme in SCHEMES {
        let rows = load(scheme.name());
        if rows.len() < LEAST_ROWS {
            problems.push(format!("{}: {} rows are too few", scheme.name(), rows.len()));
        }
        let mut seen = BTreeSet::new();
        for Row { line, a, b, .. } in &rows {
            if !seen.insert((a.min(b), a.max(b))) {
                problems.push(format!("{}:{line}: {a} {b} stands twice", scheme.name()));
            }
        }
        problems.extend(wrong(*scheme, &rows));
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_wrong_row_is_noticed() {
    let rows = parse("deb", "# tilde\n1.0~rc1 < 1.0\n\n1.0 = 1.0-1\n");
    let wrong = wrong(scheme("deb").unwrap(), &rows);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("deb:4: 1.0 1.0-1: Less, not Equal"), "{wrong:?}");
}
