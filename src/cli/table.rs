//! What people read: tables with aligned columns, and colours where they are wanted.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use super::printable::{printable, width};

/// Rows of texts below headings, each column as wide as its widest text.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<Cell>>,
}

/// Where the texts of a column stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A text and how it looks.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    look: Look,
}

/// How a text looks where there are colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Look {
    #[default]
    Plain,
    Heading,
    Good,
    Bad,
    Faint,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Table {
    /// Without rows.
    pub(super) fn new<const N: usize>(headings: [(&str, Align); N]) -> Table {
        let row = headings.iter().map(|(text, _)| Cell::new(text, Look::Heading)).collect();
        Table { columns: headings.iter().map(|(_, align)| *align).collect(), rows: vec![row] }
    }

    /// Adds a row, of as many cells as there are headings.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }

    /// The lines, each with its end.
    pub(super) fn text(&self, paint: Paint) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| self.rows.iter().map(|row| width(&row[at].text)).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, align), full) in row.iter().zip(&self.columns).zip(&widths) {
                let room = " ".repeat(full - width(&cell.text));
                let painted = paint.paint(cell.look, &cell.text);
                line += &match align {
                    Align::Left => format!("{painted}{room}  "),
                    Align::Right => format!("{room}{painted}  "),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

impl Cell {
    /// `text` without what would move a terminal's cursor.
    pub(super) fn new(text: impl fmt::Display, look: Look) -> Cell {
        Cell { text: printable(&text.to_string()), look }
    }

    /// Its text alone.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(text, Look::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(text, Look::Plain)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::new(number, if number == 0 { Look::Faint } else { Look::Plain })
    }
}

impl Paint {
    /// Colours where standard output is a terminal that has them, and nobody has said `NO_COLOR` (<https://no-color.org>).
    pub(super) fn of_stdout() -> Paint {
        let says_no = env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|it| it == "dumb");
        Paint(!says_no && !is_dumb && io::stdout().is_terminal())
    }

    /// None, whatever standard output is.
    #[cfg(test)]
    pub(super) fn none() -> Paint {
        Paint(false)
    }

    /// `text` as it looks; it is shown as it is, and may have to be [`printable`] first.
    pub(super) fn paint(self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Heading => "1",
            Look::Good => "32",
            Look::Bad => "31",
            Look::Faint => "2",
            Look::Plain => return text.to_owned(),
        };
        match self.0 && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_their_letters() {
        let mut table = Table::new([("NAME", Align::Left), ("COUNT", Align::Right), ("WHY", Align::Left)]);
        table.row(["é".into(), 7.into(), "".into()]);
        table.row(["e\u{301}t\u{e9}".into(), 12_345.into(), "late".into()]);
        table.row(["温度".into(), 0.into(), "-".into()]);
        assert_eq!(
            table.text(Paint(false)),
            "NAME  COUNT  WHY\n\
             é         7\n\
             e\u{301}té   12345  late\n\
             温度      0  -\n"
        );
    }

    #[test]
    fn colours_take_no_room_and_can_be_left_out() {
        let mut table = Table::new([("A", Align::Right), ("B", Align::Left)]);
        table.row([Cell::new("good", Look::Good), Cell::new("x", Look::Plain)]);
        assert_eq!(table.text(Paint(true)), "   \x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[32mgood\x1b[0m  x\n");
        assert_eq!(table.text(Paint(false)), "   A  B\ngood  x\n");
    }

    #[test]
    fn what_strangers_write_cannot_take_over_the_terminal() {
        let evil = "a\x1b]0;pwned\x07\u{9b}31m\r\nb\u{202e}c";
        let mut table = Table::new([("NAME", Align::Left)]);
        table.row([evil.into()]);
        let text = table.text(Paint(false));
        assert_eq!(text.lines().collect::<Vec<_>>(), ["NAME", "a�]0;pwned��31m��b�c"]);
    }
}
