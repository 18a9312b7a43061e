//! What can go wrong with a database file, told apart by what to do about it.

use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

/// A database file failed; what was asked for did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no space left.
    #[error("the disk that holds {} is full", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// Reading, writing or syncing failed, or the file cannot be opened.
    #[error("the file {} cannot be read or written", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// The file may not be written.
    #[error("the file {} may not be written", path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// The bytes of the file are not those of a database, or no longer.
    #[error("the file {} is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// Another process holds the file, for example a `sqlite3` in the middle of a transaction.
    #[error("the file {} is held by another process", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// SQLite refused a statement: the file was altered by hand, or Repower has a bug.
    #[error("SQLite refused a statement on {}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
}

impl Fault {
    pub(crate) fn new(path: &Path, source: Error) -> Self {
        let path = path.to_owned();
        let Some(code) = source.sqlite_error_code() else {
            // A value of another type than its column has: SQLite itself would never hand that out.
            return Self::Damaged { path, source };
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other code means that a statement was refused"
        )]
        match code {
            ErrorCode::DiskFull => Self::Full { path, source },
            // Where not even a page more can be made, SQLite speaks of a failure of the disk.
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if is_full(&path) => {
                Self::Full { path, source }
            }
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport => Self::Io { path, source },
            ErrorCode::ReadOnly => Self::ReadOnly { path, source },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged { path, source },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { path, source },
            _ => Self::Refused { path, source },
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } => {
                "free space on the disk; nothing was lost, and work goes on by itself"
            }
            Self::Io { .. } => {
                "check the disk (dmesg, smartctl), and owner and permissions of the data folder"
            }
            Self::ReadOnly { .. } => {
                "check owner and permissions of the data folder, and whether its disk is mounted read-only"
            }
            Self::Damaged { .. } => {
                "stop the scheduler, keep a copy of the data folder, and restore it from a backup; \
                 `sqlite3 FILE .recover` saves what can still be read"
            }
            Self::Busy { .. } => "end the other process, or its transaction",
            Self::Refused { .. } => {
                "undo changes that were made to the file by hand, or report this as a bug"
            }
        }
    }
}

/// Whether the disk that holds a file has no room for one more piece of shared memory of SQLite.
fn is_full(path: &Path) -> bool {
    const PIECE: u64 = 32 << 10;
    let folder = path.parent().unwrap_or(path);
    let disk = rustix::fs::statvfs(folder);
    disk.is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize.max(1)) < PIECE)
}

/// Adds the path to what SQLite says.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, Fault>;
}

impl<T> At<T> for Result<T, Error> {
    fn at(self, path: &Path) -> Result<T, Fault> {
        self.map_err(|source| Fault::new(path, source))
    }
}
