//! Aligned columns for the terminal: widths by what is displayed, cut to what the screen has room for.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

/// One cell: text and how it looks.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A styled cell.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: printable(&text.into()), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Blanks between columns.
const GAP: usize = 2;
/// A column is not cut below this, nor is the last shown with less.
const LEAST: usize = 10;

/// Lays out rows under a header. `width` is the screen's; `None` cuts nothing.
pub(crate) fn layout(header: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> String {
    let columns = header.len();
    let mut widths: Vec<usize> = header.iter().map(|title| title.width()).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate().take(columns) {
            widths[column] = widths[column].max(cell.text.width());
        }
    }
    if let Some(width) = width {
        fit(&mut widths, width);
    }
    let mut out = String::new();
    let bold = Style::new().bold();
    let titles = header.iter().map(|title| Cell::styled(*title, bold)).collect::<Vec<_>>();
    for row in std::iter::once(&titles).chain(rows) {
        // Blanks are written before a cell that has text, so that no line ends with any.
        let mut blanks = 0;
        for (column, cell) in row.iter().enumerate().take(columns) {
            let text = cut(&cell.text, widths[column]);
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', blanks));
                blanks = 0;
                let _ = write!(out, "{}{text}{}", cell.style.render(), cell.style.render_reset());
            }
            blanks += widths[column].saturating_sub(text.width()) + GAP;
        }
        out.push('\n');
    }
    out
}

/// Narrows columns until they fit: first the last one, which explains the others, then the widest. A screen
/// that is too narrow for even that gets lines that it has to wrap.
fn fit(widths: &mut [usize], screen: usize) {
    let shown =
        |widths: &[usize]| widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum::<usize>();
    let total = |widths: &[usize]| shown(widths).saturating_sub(GAP);
    if let Some((last, before)) = widths.split_last_mut() {
        let room = screen.saturating_sub(total(before) + GAP);
        *last = match room {
            0..LEAST if *last > room => 0,
            _ => room.min(*last),
        };
    }
    loop {
        let over = total(widths).saturating_sub(screen);
        let Some(widest) = widths.iter_mut().max().filter(|width| over > 0 && **width > LEAST) else {
            return;
        };
        *widest -= 1;
    }
}

/// Cuts to that many columns, with an ellipsis where something is gone.
fn cut(text: &str, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() >= width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

/// Images write the texts that are shown here: no control character of theirs may reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi_control(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters that reorder text on screen and so can make one thing look like another.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(header: &[&str], rows: &[&[&str]], width: Option<usize>) -> String {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|t| Cell::from(*t)).collect()).collect();
        anstream::adapter::strip_str(&layout(header, &rows, width)).to_string()
    }

    #[test]
    fn aligns_by_display_width() {
        let text = plain(&["A", "B"], &[&["日本", "x"], &["a", "y"]], None);
        assert_eq!(text, "A     B\n日本  x\na     y\n");
    }

    #[test]
    fn cuts_the_last_column_first() {
        let text = plain(&["A", "B"], &[&["abc", &"x".repeat(60)]], Some(30));
        assert_eq!(text.lines().nth(1).unwrap(), format!("abc  {}…", "x".repeat(24)));
    }

    #[test]
    fn fits_the_screen_by_cutting_what_is_widest() {
        let row = ["CVE-2024-00001", &"p".repeat(40), "1:1.0-1.el8_10", "what it is about"];
        let at = |width| plain(&["ID", "PACKAGE", "IN", "TITLE"], &[&row], Some(width));
        for width in [56, 60, 72, 80, 90, 100, 200] {
            let text = at(width);
            assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
            assert!(text.contains(row[0]) && text.contains(row[2]), "{width}: {text}");
        }
        assert!(at(56).contains(&format!("{}…", "p".repeat(23))), "{}", at(56));
        assert!(
            at(83).contains(row[1]) && at(83).lines().count() == 2 && !at(83).contains("what"),
            "{}",
            at(83)
        );
        assert!(at(100).contains(row[3]), "{}", at(100));
        // Nothing sensible fits: it is for the terminal to wrap.
        assert!(at(3).contains("CVE-2024-…"), "{}", at(3));
    }

    #[test]
    fn no_line_ends_with_blanks() {
        let text = plain(&["A", "B", ""], &[&["abc", "", ""], &["a", "", "y"], &["", "x", ""]], None);
        assert_eq!(text, "A    B\nabc\na       y\n     x\n");
    }

    #[test]
    fn lets_no_control_character_through() {
        assert_eq!(printable("a\x1b[31mb\r\n\u{202e}c"), "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c");
    }
}
