//! Opening database files: whose they are, which version they have, and how safe writing is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::fault::{At as _, Fault};

/// What tells a file of ours from others, and its versions from each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The file's name in the data folder.
    pub(crate) name: &'static str,
    /// Stands in the header of the file (`PRAGMA application_id`).
    pub(crate) application_id: i32,
    /// The newest version that this program knows (`PRAGMA user_version`).
    pub(crate) version: i32,
    /// Makes the tables of that version.
    pub(crate) schema: &'static str,
    /// What makes version 2 of version 1, 3 of 2, and so on: as many as there are versions before the
    /// newest.
    pub(crate) upgrades: &'static [&'static str],
}

/// A database file that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The data folder or the file in it cannot be made or opened.
    #[error("cannot make or open {}", path.display())]
    Io {
        /// Folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no such file.
    #[error("there is no {}", path.display())]
    Absent {
        /// Which file.
        path: PathBuf,
    },
    /// The file has nothing in it.
    #[error("the file {} is empty", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The file is a database, but not of Repower.
    #[error("the file {} is a database of another program", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer version of Repower made the file.
    #[error("the file {} was made by a newer version: it has format {found}, this program knows up to {known}", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest that is known.
        known: i32,
    },
    /// The disk or its file system cannot do write-ahead logging.
    #[error("the file system of {} does not allow write-ahead logging, but only journal mode {mode}", path.display())]
    NoWal {
        /// Which file.
        path: PathBuf,
        /// What SQLite fell back to.
        mode: String,
    },
    /// The file failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl FileError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "name a data folder that exists and that this user may write, or free space on its disk"
            }
            Self::Absent { .. } => "name the data folder of a scheduler that has run before",
            Self::Empty { .. } => "restore it from a backup, if there was something in it",
            Self::Foreign { .. } => "name another data folder, or move the file away",
            Self::Newer { .. } => "start the version of Repower that was used last, or a newer one",
            Self::NoWal { .. } => "put the data folder on a local disk, not on a network share",
            Self::Fault(fault) => fault.hint(),
        }
    }
}

/// Makes the data folder, readable for its owner only, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), FileError> {
    let io = |source| FileError::Io { path: folder.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)
}

/// Opens the file for writing and makes it if it is not there; every commit is on the disk when it returns.
pub(crate) fn open_writer(folder: &Path, kind: Kind) -> Result<Connection, FileError> {
    let path = folder.join(kind.name);
    touch(folder, &path).map_err(|source| FileError::Io { path: path.clone(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).at(&path)?;
    let is_new = check(&connection, &path, kind)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .at(&path)?;
    if mode != "wal" {
        return Err(FileError::NoWal { path, mode });
    }
    connection.execute_batch(WRITER).at(&path)?;
    keep_plans(&connection).at(&path)?;
    if is_new {
        let Kind { application_id, version, schema, .. } = kind;
        let make = format!(
            "BEGIN IMMEDIATE; PRAGMA application_id = {application_id}; PRAGMA user_version = {version}; {schema} COMMIT;"
        );
        connection.execute_batch(&make).at(&path)?;
    } else {
        upgrade(&connection, &path, kind)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Brings a file of an earlier version up to the newest, one version after the other.
fn upgrade(connection: &Connection, path: &Path, kind: Kind) -> Result<(), FileError> {
    let found: i32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).at(path)?;
    for (version, change) in (2..).zip(kind.upgrades).filter(|(version, _)| *version > found) {
        let change = format!("BEGIN IMMEDIATE; {change} PRAGMA user_version = {version}; COMMIT;");
        if let Err(error) = connection.execute_batch(&change) {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK").at(path)?;
            }
            return Err(error).at(path).map_err(FileError::from);
        }
    }
    Ok(())
}

/// Opens the file for reading, beside a writer or without one, also where the folder may not be written.
pub(crate) fn open_reader(folder: &Path, kind: Kind) -> Result<Connection, FileError> {
    let path = folder.join(kind.name);
    if !path.exists() {
        return Err(FileError::Absent { path });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&path, flags).at(&path).map_err(FileError::from);
    let opened = opened.and_then(|connection| {
        connection.execute_batch(READER).at(&path)?;
        keep_plans(&connection).at(&path)?;
        check_not_empty(&connection, &path, kind)?;
        Ok(connection)
    });
    match opened {
        Err(FileError::Fault(Fault::Io { .. } | Fault::ReadOnly { .. }))
            if !wal_of(&path).exists() =>
        {
            open_immutable(&path, kind)
        }
        other => other,
    }
}

/// Opens a file whose folder may not be written. It has no write-ahead log, so nobody writes it either.
fn open_immutable(path: &Path, kind: Kind) -> Result<Connection, FileError> {
    let uri = format!("file:{}?immutable=1", escape(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).at(path)?;
    connection.execute_batch(READER).at(path)?;
    keep_plans(&connection).at(path)?;
    check_not_empty(&connection, path, kind)?;
    Ok(connection)
}

/// Begins a transaction that writes. One that could not be undone, because the disk failed, is undone first.
pub(crate) fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Keeps SQLite from planning a statement anew each time its parameters change, which costs more than running it.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn escape(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// Makes an empty file that only its owner can read, before SQLite would make one that all can.
fn touch(folder: &Path, path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Checks that the file is ours, not newer, and not empty.
fn check_not_empty(connection: &Connection, path: &Path, kind: Kind) -> Result<(), FileError> {
    let is_new = check(connection, path, kind)?;
    if is_new { Err(FileError::Empty { path: path.to_owned() }) } else { Ok(()) }
}

/// Checks that the file is ours and not newer, and returns whether it is new: without any table.
fn check(connection: &Connection, path: &Path, kind: Kind) -> Result<bool, FileError> {
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).at(path);
    let id = pragma("application_id")?;
    let version = pragma("user_version")?;
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .at(path)?;
    if id == 0 && version == 0 && tables == 0 {
        return Ok(true);
    }
    let path = path.to_owned();
    if id != kind.application_id || version < 1 {
        return Err(FileError::Foreign { path });
    }
    if version > kind.version {
        return Err(FileError::Newer { path, found: version, known: kind.version });
    }
    Ok(false)
}

const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16000;
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";

const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -4000;
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";
