//! Between the numbers of Rust and those of SQLite.

use rusqlite::Row;
use rusqlite::types::FromSql;

/// SQLite has no unsigned numbers. What is above its largest one stands for it: no id or count ever gets there, so a
/// lookup of such a number finds nothing.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Likewise for counts in memory.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads the columns of a row one after the other, in the order of the query.
pub(crate) struct Columns<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

impl<'row, 'statement> Columns<'row, 'statement> {
    pub(crate) fn of(row: &'row Row<'statement>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(crate) fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }
}
