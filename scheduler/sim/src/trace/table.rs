//! CSV files by the names of their columns.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::TraceError;
use super::source::unreadable;

/// A CSV file whose first line names its columns. Lines that begin with `#` are comments.
pub(super) struct Table<'a> {
    path: PathBuf,
    reader: csv::Reader<Box<dyn BufRead + 'a>>,
    header: Vec<String>,
    record: StringRecord,
    read: Vec<bool>,
    line: u64,
}

/// A column that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    at: usize,
    name: &'static str,
}

impl<'a> Table<'a> {
    pub(super) fn of(path: &Path, from: Box<dyn BufRead + 'a>) -> Result<Self, TraceError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).comment(Some(b'#')).from_reader(from);
        let header = reader.headers().map_err(|error| wrong(path, 0, error))?;
        let header: Vec<String> = header.iter().map(str::to_lowercase).collect();
        let read = vec![false; header.len()];
        let (path, record) = (path.to_owned(), StringRecord::new());
        Ok(Self { path, reader, header, record, read, line: 1 })
    }

    /// The first of these columns that there is.
    pub(super) fn find(&mut self, names: &[&'static str]) -> Option<Column> {
        let found = |name: &&'static str| {
            let at = self.header.iter().position(|column| column == name)?;
            Some(Column { at, name })
        };
        let column = names.iter().find_map(found)?;
        self.read[column.at] = true;
        Some(column)
    }

    /// The first of these columns that there is; one must be.
    pub(super) fn need(&mut self, names: &[&'static str]) -> Result<Column, TraceError> {
        self.find(names).ok_or_else(|| TraceError::Column {
            path: self.path.clone(),
            column: names[0],
            found: self.header.clone(),
        })
    }

    /// Columns that nobody asked for.
    pub(super) fn unread(&self) -> Vec<String> {
        let columns = self.header.iter().zip(&self.read);
        columns.filter(|(_, read)| !**read).map(|(name, _)| name.clone()).collect()
    }

    /// Goes to the next row. Returns whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, TraceError> {
        let more = self
            .reader
            .read_record(&mut self.record)
            .map_err(|error| wrong(&self.path, self.line, error))?;
        self.line = self.record.position().map_or(self.line, csv::Position::line);
        Ok(more)
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// What a row says in a column; nothing where the row says nothing.
    pub(super) fn text(&self, column: Column) -> &str {
        self.record.get(column.at).unwrap_or_default()
    }

    /// A number of a row; `None` where it says nothing.
    pub(super) fn number(&self, column: Column, most: f64) -> Result<Option<f64>, TraceError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let value = text.parse().ok().filter(|value: &f64| value.abs() <= most);
        value.map(Some).ok_or_else(|| self.wrong(column, "a number of reasonable size"))
    }

    /// The error that a field is not what it should be.
    pub(super) fn wrong(&self, column: Column, wanted: &'static str) -> TraceError {
        TraceError::Value {
            path: self.path.clone(),
            line: self.line,
            what: format!("`{}`", column.name),
            text: self.text(column).chars().take(40).collect(),
            wanted,
        }
    }
}

fn wrong(path: &Path, line: u64, error: csv::Error) -> TraceError {
    let path_buf = path.to_owned();
    let at = error.position().map_or(line + 1, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(source) => unreadable(path, line, source),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let found = usize::try_from(len).unwrap_or(usize::MAX);
            let wanted = usize::try_from(expected_len).unwrap_or(usize::MAX);
            TraceError::Fields { path: path_buf, line: at, found, wanted }
        }
        ErrorKind::Utf8 { .. } => TraceError::NotText { path: path_buf, line: at },
        // The rest comes from rewinding and from types, which are not asked for here.
        ErrorKind::Seek | ErrorKind::Serialize(_) | ErrorKind::Deserialize { .. } | _ => {
            TraceError::NotText { path: path_buf, line: at }
        }
    }
}
