//! Tables without lines, which people can read and `awk` can cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::words::{Tint, tame};

/// Blanks between two columns.
const GAP: usize = 2;

/// A column: its title, its side, and whether it may be cut when there is no room.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    right: bool,
    least: Option<usize>,
}

impl Column {
    /// A column that is never cut.
    pub const fn whole(title: &'static str) -> Self {
        Self { title, right: false, least: None }
    }

    /// A column of numbers, at the right and never cut.
    pub const fn number(title: &'static str) -> Self {
        Self { title, right: true, least: None }
    }

    /// A column that is cut down to `least` if the table is too wide.
    pub const fn cut(title: &'static str, least: usize) -> Self {
        Self { title, right: false, least: Some(least) }
    }
}

/// One field of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tint: Option<Tint>,
}

impl Cell {
    /// A field with a colour, if it has one.
    pub fn tinted(text: impl AsRef<str>, tint: Option<Tint>) -> Self {
        Self { text: tame(text.as_ref()), tint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::tinted(text, None)
    }
}

/// Rows under titles.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has one cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the lines, titles first, cut to `width` if there is one.
    pub fn lines(&self, width: Option<usize>, colour: bool) -> Vec<String> {
        let widths = self.widths(width);
        let titles: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::tinted(column.title, Some(Tint::Faint)))
            .collect();
        std::iter::once(&titles)
            .chain(&self.rows)
            .map(|row| self.line(row, &widths, colour))
            .collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], colour: bool) -> String {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
            let text = cut(&cell.text, *width);
            let blanks = " ".repeat(width.saturating_sub(text.width()));
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let shown = tinted(&text, cell.tint.filter(|_| colour && !text.is_empty()));
            if column.right {
                line.push_str(&blanks);
                line.push_str(&shown);
            } else {
                line.push_str(&shown);
                line.push_str(&blanks);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// Returns the width of each column; the widest that may be cut gives way first.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().map(|row| row[at].text.width());
                cells.max().unwrap_or(0).max(self.columns[at].title.width())
            })
            .collect();
        let Some(limit) = limit else { return widths };
        let gaps = GAP * self.columns.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
        while excess > 0 {
            let roomy = (0..widths.len())
                .filter(|at| self.columns[*at].least.is_some_and(|least| widths[*at] > least));
            let Some(widest) = roomy.max_by_key(|at| widths[*at]) else {
                break;
            };
            widths[widest] -= 1;
            excess -= 1;
        }
        widths
    }
}

/// Returns a text of at most `width` cells, with `…` in place of what was cut off.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut short = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(letter);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// Returns a text in a colour, if there is one.
pub fn tinted(text: &str, tint: Option<Tint>) -> String {
    let code = match tint {
        None => return text.to_owned(),
        Some(Tint::Good) => "32",
        Some(Tint::Bad) => "31",
        Some(Tint::Busy) => "36",
        Some(Tint::Look) => "33",
        Some(Tint::Faint) => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[Column::number("ID"), Column::cut("NAME", 8), Column::cut("REASON", 6)]);
        table.row(["7".into(), "a rather long name".into(), "short".into()]);
        table.row(["12".into(), "名前".into(), "the reason is long".into()]);
        table
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        assert_eq!(
            table().lines(None, false).join("\n"),
            "\
ID  NAME                REASON
 7  a rather long name  short
12  名前                the reason is long"
        );
    }

    #[test]
    fn the_widest_columns_give_way_first_and_none_below_its_least() {
        assert_eq!(
            table().lines(Some(30), false).join("\n"),
            "\
ID  NAME          REASON
 7  a rather lo…  short
12  名前          the reason …"
        );
        assert!(
            table().lines(Some(10), false).iter().all(|line| line.width() <= 2 + 2 + 8 + 2 + 6)
        );
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new(&[Column::whole("STATE"), Column::whole("X")]);
        table.row([Cell::tinted("failed", Some(Tint::Bad)), "1".into()]);

        assert_eq!(table.lines(None, true)[1], "\x1b[31mfailed\x1b[0m  1");
    }

    #[test]
    fn a_wide_letter_is_not_cut_in_two() {
        assert_eq!(cut("名前名前", 4), "名…");
        assert_eq!(cut("abc", 0), "");
    }
}
