//! What can be wrong with a trace.

use std::io;
use std::path::PathBuf;

/// A trace that cannot be read. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed.
    #[error("{}: cannot read on after line {line}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The last whole line, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The compressed data end too early.
    #[error("{}: the gzip data end in the middle, after line {line}", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// The last whole line, from 1.
        line: u64,
    },
    /// A line without an end.
    #[error("{}, line {line}: it has more than {most} bytes", path.display())]
    LongLine {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The most that a line may have.
        most: u64,
    },
    /// A row of a CSV file that is no text.
    #[error("{}, line {line}: it is not UTF-8 text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// A record with too few or too many fields.
    #[error("{}, line {line}: it has {found} fields, but a record has {wanted}", path.display())]
    Fields {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// How many it has.
        found: usize,
        /// How many it should have.
        wanted: usize,
    },
    /// A field that is no number, or none that this field can have.
    #[error("{}, line {line}: {what} is `{text}`, which is not {wanted}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// Which field.
        what: String,
        /// What it says.
        text: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The header of a CSV file lacks a column.
    #[error("{}: its header has no column `{column}`; it has {}", path.display(), found.join(", "))]
    Column {
        /// Which file.
        path: PathBuf,
        /// The column that is needed.
        column: &'static str,
        /// Those that there are.
        found: Vec<String>,
    },
    /// Two nodes with one name.
    #[error("{}, line {line}: a node `{name}` was listed before", path.display())]
    NodeTwice {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The name.
        name: String,
    },
    /// Too much of something.
    #[error("{}: it has more than {most} {what}", path.display())]
    TooMany {
        /// Which file.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// The most that is read.
        most: usize,
    },
    /// Nothing in it.
    #[error("{}: there is no {what} in it", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
}

impl TraceError {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "check the path and its permissions",
            Self::Read { .. } | Self::Truncated { .. } => "fetch the file again: it is damaged",
            Self::LongLine { .. } | Self::NotText { .. } | Self::Empty { .. } => {
                "check that the file is what the option says: `--swf`, `--jobs` or `--node-list`"
            }
            Self::Fields { .. } => {
                "an SWF record has 18 numbers with blanks between; -1 for what is not known"
            }
            Self::Value { .. } => "correct the line, or take it out",
            Self::Column { .. } => {
                "name the columns in the first line; docs/simulator.md lists them"
            }
            Self::NodeTwice { .. } => "give each node a name of its own",
            Self::TooMany { .. } => "split the file",
        }
    }
}
