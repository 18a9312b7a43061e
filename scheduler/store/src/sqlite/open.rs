//! Opening the ledger of a data folder.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::lock::{Lock, LockError};
use super::reader::Reader;
use super::schema::LEDGER;
use super::{Journal, ledger};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::database::{FileError, make_folder, open_writer};
use crate::fault::{At as _, Fault};
use crate::journal::Head;
use crate::merkle::{Frontier, FrontierError};
use crate::note::{self, KeyFileError, SignerKey};

/// A ledger that cannot be opened for writing. The data folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this ledger.
    #[error("the data folder {} is in use by {}", folder.display(), describe(*process))]
    InUse {
        /// Which folder.
        folder: PathBuf,
        /// The number of the process, if it could be read.
        process: Option<u32>,
    },
    /// The folder or the file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A cell cannot have this name.
    #[error("`{origin}` cannot be the name of a cell: it is empty, or has a space or a `+` in it")]
    Origin {
        /// The name that was asked for.
        origin: String,
    },
    /// The ledger was made by another cell.
    #[error("the ledger in {} is that of {found}, not of {expected}", folder.display())]
    OtherOrigin {
        /// Which folder.
        folder: PathBuf,
        /// The origin of the ledger.
        found: String,
        /// The origin that was asked for.
        expected: String,
    },
    /// There was a ledger, and now there is none.
    #[error("{} has no ledger in it, but {} shows that there was one", path.display(), public.display())]
    Lost {
        /// The database file.
        path: PathBuf,
        /// The public key file, which is written when a ledger has been made.
        public: PathBuf,
    },
    /// There is a ledger, but not the key that signs its heads.
    #[error("the ledger in {} is signed by {verifier_key}, but {} is missing or another key", folder.display(), path.display())]
    OtherKey {
        /// Which folder.
        folder: PathBuf,
        /// The key file.
        path: PathBuf,
        /// The public key in the ledger.
        verifier_key: String,
    },
    /// The newest head does not fit the facts: the file was changed from outside.
    #[error("the newest head of {} covers {size} facts, but there are {facts}", path.display())]
    HeadAndFacts {
        /// Which file.
        path: PathBuf,
        /// The size in the newest head.
        size: u64,
        /// How many facts there are.
        facts: u64,
    },
    /// The newest head does not verify: the file was changed from outside.
    #[error("the newest head of {} does not verify", path.display())]
    Head {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: HeadError,
    },
}

/// What can be wrong with the newest head.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Its note.
    #[error(transparent)]
    Note(#[from] CheckpointError),
    /// Its frontier.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// Its parts say different things.
    #[error("its note, its columns and its frontier differ")]
    Parts,
}

impl OpenError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "stop the other scheduler, or name another data folder",
            Self::File(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Origin { .. } => {
                "name the cell like a web address, for example `repower.example/cell-a`"
            }
            Self::OtherOrigin { .. } => "start with the cell name that the ledger was made with",
            Self::Lost { .. } => {
                "restore the data folder from a backup; only to begin a new ledger, move all of it away"
            }
            Self::OtherKey { .. } => "restore ledger.key from a backup",
            Self::HeadAndFacts { .. } | Self::Head { .. } => {
                "run `repower ledger verify` to see what was changed, and restore the data folder from a backup"
            }
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::File(FileError::Fault(fault))
    }
}

fn describe(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}

pub(super) fn open(folder: &Path, origin: &str) -> Result<Journal, OpenError> {
    if !note::is_name(origin) {
        return Err(OpenError::Origin { origin: origin.to_owned() });
    }
    make_folder(folder)?;
    let lock = take_lock(folder)?;
    let path = folder.join(LEDGER.name);
    let public = folder.join("ledger.vkey");
    // Before the file is made anew: its log would stay, and spoil what is then restored beside it.
    if public.exists() && fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Err(OpenError::Lost { path, public });
    }
    let connection = open_writer(folder, LEDGER)?;
    let key = identify(&connection, folder, origin)?;
    let (head, frontier) = newest(&connection, &path, &key)?;
    let last_kept = ledger::last_kept(&connection).at(&path)?;
    let reader = Reader::open(folder)?;
    let folder = folder.to_owned();
    Ok(Journal { reader, connection, folder, path, key, frontier, head, last_kept, _lock: lock })
}

fn take_lock(folder: &Path) -> Result<Lock, OpenError> {
    let path = folder.join("ledger.lock");
    Lock::take(&path).map_err(|error| match error {
        LockError::Held(process) => OpenError::InUse { folder: folder.to_owned(), process },
        LockError::Io(source) => OpenError::File(FileError::Io { path, source }),
    })
}

/// Compares the ledger with the origin and the key in the folder; a new ledger takes them on.
fn identify(connection: &Connection, folder: &Path, origin: &str) -> Result<SignerKey, OpenError> {
    let path = folder.join("ledger.key");
    let at = folder.join(LEDGER.name);
    let stored: Option<(String, String)> = connection
        .query_row("SELECT origin, verifier_key FROM ledger", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .at(&at)?;
    let public = folder.join("ledger.vkey");
    let Some((found, verifier_key)) = stored else {
        if public.exists() {
            return Err(OpenError::Lost { path: at, public });
        }
        let key = note::load_or_make(&path, origin)?;
        let row = (origin, key.verifier().to_string());
        connection
            .execute("INSERT INTO ledger (id, origin, verifier_key) VALUES (1, ?1, ?2)", row)
            .at(&at)?;
        note::publish(&public, key.verifier())?;
        return Ok(key);
    };
    if found != origin {
        let (folder, expected) = (folder.to_owned(), origin.to_owned());
        return Err(OpenError::OtherOrigin { folder, found, expected });
    }
    let key = note::load(&path, origin)?.filter(|key| key.verifier().to_string() == verifier_key);
    let other = || OpenError::OtherKey { folder: folder.to_owned(), path, verifier_key };
    let key = key.ok_or_else(other)?;
    if !public.exists() {
        note::publish(&public, key.verifier())?;
    }
    Ok(key)
}

/// Reads the newest head and checks it against the key, the frontier and the newest fact.
fn newest(
    connection: &Connection,
    path: &Path,
    key: &SignerKey,
) -> Result<(Head, Frontier), OpenError> {
    let facts = ledger::size(connection).at(path)?;
    let check_size = |size| {
        let differs = || OpenError::HeadAndFacts { path: path.to_owned(), size, facts };
        if size == facts { Ok(()) } else { Err(differs()) }
    };
    let Some((signed, frontier)) = ledger::head_and_frontier(connection).at(path)? else {
        check_size(0)?;
        return Ok((Head::empty(), Frontier::new()));
    };
    let head = signed.head;
    check_size(head.size)?;
    let check = || -> Result<Frontier, HeadError> {
        let note = Checkpoint::open(&signed.note, key.verifier())?;
        let frontier = Frontier::from_bytes(&frontier)?;
        let same = note.size == head.size && frontier.size() == head.size;
        let same = same && note.root == head.root && frontier.root() == head.root;
        if same { Ok(frontier) } else { Err(HeadError::Parts) }
    };
    let frontier = check().map_err(|source| OpenError::Head { path: path.to_owned(), source })?;
    Ok((head, frontier))
}
