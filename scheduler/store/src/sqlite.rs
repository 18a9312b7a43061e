//! The journal on disk: SQLite with a write-ahead log, synced at each commit.
//!
//! The data folder holds `ledger.db` (facts, heads, projections), `ledger.key` (the key that signs heads; a secret),
//! `ledger.vkey` (its public half, for auditors), `ledger.lock` and `snapshots/`. One process writes; any number may
//! read, `sqlite3` among them.

mod append;
mod attempts;
mod checkpoints;
mod claims;
mod decisions;
mod files;
mod findings;
mod jobs;
mod ledger;
mod lock;
mod nodes;
mod open;
mod project;
mod ranks;
mod reader;
mod schema;
mod steps;
#[cfg(test)]
mod tests;
mod words;

pub use attempts::AttemptFilter;
pub use findings::FindingFilter;
pub use jobs::JobFilter;
pub use open::OpenError;
pub use reader::Reader;

use std::path::{Path, PathBuf};

use repower_model::Timestamp;
use rusqlite::Connection;

use crate::fault::At as _;
use crate::journal::{
    AppendError, Entry, FoundSnapshot, Head, Ledger, ReadError, SignedHead, Snapshot, StoredEntry,
};
use crate::merkle::{Frontier, Hash};
use crate::note::{SignerKey, VerifierKey};
use crate::rows::Row;
use crate::snapshot::Snapshots;

/// The only writer of the ledger in a data folder.
#[derive(Debug)]
pub struct Journal {
    // Dropped before `connection`: the last connection to close empties the write-ahead log, and only one that may
    // write can do that.
    reader: Reader,
    connection: Connection,
    folder: PathBuf,
    path: PathBuf,
    key: SignerKey,
    frontier: Frontier,
    head: Head,
    last_kept: Option<Head>,
    _lock: lock::Lock,
}

impl Journal {
    /// Opens the ledger of the cell `origin` in a data folder, and makes both if they are not there.
    pub fn open(folder: &Path, origin: &str) -> Result<Self, OpenError> {
        open::open(folder, origin)
    }

    /// A handle for queries from any thread.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The snapshots of this ledger: they can be saved from another thread while the journal goes on.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.folder, self.reader())
    }
}

impl Drop for Journal {
    /// Brings all into the one file, so that a copy of it is whole: readers that end later than the
    /// writer would leave the write-ahead log behind.
    fn drop(&mut self) {
        // Where that fails the log stays, and whoever opens the file next reads both.
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").ok();
    }
}

impl Ledger for Journal {
    fn latest_head(&self) -> Result<Option<SignedHead>, ReadError> {
        Ok(ledger::latest_head(&self.connection).at(&self.path)?)
    }

    fn heads(&self, limit: usize, before: Option<u64>) -> Result<Vec<SignedHead>, ReadError> {
        Ok(ledger::heads(&self.connection, limit, before).at(&self.path)?)
    }

    fn entries(&self, from_seq: u64, limit: usize) -> Result<Vec<StoredEntry>, ReadError> {
        Ok(ledger::entries(&self.connection, from_seq, limit).at(&self.path)?)
    }

    fn leaf_hashes(&self, size: u64) -> Result<Vec<Hash>, ReadError> {
        ledger::complete(ledger::leaf_hashes(&self.connection, size).at(&self.path)?, size)
    }
}

impl crate::journal::Journal for Journal {
    fn append(
        &mut self,
        entries: &[Entry],
        rows: &[Row],
        now: Timestamp,
    ) -> Result<Head, AppendError> {
        append::append(self, entries, rows, now)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), ReadError> {
        self.snapshots().save(snapshot)
    }

    fn latest_snapshot(&self) -> Result<FoundSnapshot, ReadError> {
        self.snapshots().latest(self.head.size)
    }
}
