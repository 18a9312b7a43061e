//! Read-only connections that threads share.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::database::{FileError, Kind, open_reader};
use crate::fault::{At as _, Fault};

/// How many connections are kept while nobody uses them.
const IDLE_LIMIT: usize = 4;

/// Connections to one file; each query takes one, or opens one if all are taken.
#[derive(Debug)]
pub(crate) struct Pool {
    folder: PathBuf,
    path: PathBuf,
    kind: Kind,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// Opens a first connection, so that a file which cannot be read is known at once.
    pub(crate) fn open(folder: &Path, kind: Kind) -> Result<Self, FileError> {
        let first = open_reader(folder, kind)?;
        let (folder, path) = (folder.to_owned(), folder.join(kind.name));
        Ok(Self { folder, path, kind, idle: Mutex::new(vec![first]) })
    }

    /// Runs a query. Every statement sees one state of the file; two statements may see two.
    pub(crate) fn with<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.folder, self.kind).map_err(|error| self.reopening(error))?,
        };
        let answer = query(&connection).at(&self.path)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_LIMIT {
            idle.push(connection);
        }
        Ok(answer)
    }

    /// A file that could be opened before and cannot now was damaged, moved or replaced since.
    fn reopening(&self, error: FileError) -> Fault {
        match error {
            FileError::Fault(fault) => fault,
            FileError::Io { .. }
            | FileError::Absent { .. }
            | FileError::Empty { .. }
            | FileError::Foreign { .. }
            | FileError::Newer { .. }
            | FileError::NoWal { .. } => Fault::Damaged {
                path: self.path.clone(),
                source: rusqlite::Error::InvalidPath(self.path.clone()),
            },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
