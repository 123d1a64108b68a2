//! Aligned columns for the terminal: widths by what is displayed, the last column cut to the screen.

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

/// Lays out rows under a header. `width` is the screen's; `None` cuts nothing.
pub(crate) fn layout(header: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> String {
    let columns = header.len();
    let mut widths: Vec<usize> = header.iter().map(|title| title.width()).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate().take(columns) {
            widths[column] = widths[column].max(cell.text.width());
        }
    }
    let before: usize = widths.iter().take(columns.saturating_sub(1)).map(|width| width + 2).sum();
    let last = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(20));
    let mut out = String::new();
    let bold = Style::new().bold();
    let titles = header.iter().map(|title| Cell::styled(*title, bold)).collect::<Vec<_>>();
    for row in std::iter::once(&titles).chain(rows) {
        // Blanks are written before a cell that has text, so that no line ends with any.
        let mut blanks = 0;
        for (column, cell) in row.iter().enumerate().take(columns) {
            let is_last = column + 1 == columns;
            let text = if is_last { cut(&cell.text, last) } else { cell.text.clone() };
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', blanks));
                blanks = 0;
                let _ = write!(out, "{}{text}{}", cell.style.render(), cell.style.render_reset());
            }
            blanks += widths[column].saturating_sub(text.width()) + 2;
        }
        out.push('\n');
    }
    out
}

/// Cuts to that many columns, with an ellipsis where something is gone.
fn cut(text: &str, width: usize) -> String {
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
    fn cuts_only_the_last_column() {
        let text = plain(&["A", "B"], &[&["abc", &"x".repeat(60)]], Some(30));
        assert_eq!(text.lines().nth(1).unwrap(), format!("abc  {}…", "x".repeat(24)));
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
