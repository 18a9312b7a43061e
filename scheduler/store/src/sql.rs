//! Between the values of Rust and those of SQLite.

use repower_model::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, Type};

/// SQLite has no unsigned numbers. What is above its largest one stands for it: no id or count ever gets there, so a
/// lookup of such a number finds nothing.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Likewise for counts in memory.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Milliseconds of a time that may not have come.
pub(crate) fn ms(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millis)
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

    /// The next column, milliseconds.
    pub(crate) fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.next().map(Timestamp::from_millis)
    }

    /// The next column, milliseconds or null.
    pub(crate) fn time_if_any(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    /// The next column, a word out of a fixed set.
    pub(crate) fn word<T>(
        &mut self,
        meaning: impl FnOnce(&str) -> Option<T>,
    ) -> rusqlite::Result<T> {
        let word: String = self.next()?;
        meaning(&word).ok_or_else(|| self.unknown(&word))
    }

    /// The error for a word that means nothing.
    pub(crate) fn unknown(&self, word: &str) -> rusqlite::Error {
        let error = FromSqlError::Other(format!("`{word}` means nothing here").into());
        rusqlite::Error::FromSqlConversionFailure(self.next - 1, Type::Text, error.into())
    }
}
