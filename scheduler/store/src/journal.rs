//! The journal: facts in order, their Merkle tree and its signed heads.
//!
//! A journal does not know what a fact means: a body is bytes. Facts are counted from 0, as leaves are: a head of size
//! `n` covers the facts `0..n`, and the next one is `n`. Two implementations:
//! [`sqlite::Journal`](crate::sqlite::Journal) on disk and [`memory::Journal`](crate::memory::Journal) for simulation.

use repower_model::{Span, Timestamp};

use crate::checkpoint::CheckpointError;
use crate::fault::Fault;
use crate::merkle::{self, Hash, ProofError};
use crate::note::VerifierKey;
use crate::rows::Row;

/// A head is kept for good each time the journal has grown by this many facts.
pub const HEAD_KEPT_EVERY_FACTS: u64 = 4096;
/// A head is kept for good if the one before is this much older.
pub const HEAD_KEPT_EVERY: Span = Span::from_millis(3_600_000);

/// A fact to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number: how many facts come before.
    pub seq: u64,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A fact as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its number.
    pub seq: u64,
    /// Its bytes.
    pub body: Vec<u8>,
    /// The leaf hash that was stored with it.
    pub leaf: Hash,
}

/// The state of the tree after an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many facts it covers.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// When it was made.
    pub at: Timestamp,
}

impl Head {
    /// The head of a journal without facts.
    pub fn empty() -> Self {
        Self { size: 0, root: merkle::empty_root(), at: Timestamp::default() }
    }
}

/// A head and the note that an outsider can keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// The signed note over its size and root, see [`crate::checkpoint`].
    pub note: String,
}

/// A snapshot of the state that the first facts give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How many facts are in it: replay goes on with the fact of this number.
    pub size: u64,
    /// Which encoding its bytes are in; the driver's business.
    pub format: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

/// The newest snapshot that can be used, and those that cannot.
#[derive(Debug, Default)]
pub struct FoundSnapshot {
    /// The newest whole one; without any, replay starts at fact 0.
    pub snapshot: Option<Snapshot>,
    /// Newer ones that were passed over.
    pub damaged: Vec<DamagedSnapshot>,
}

/// A snapshot whose bytes are not those that were saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of {size} facts cannot be used: {problem}")]
pub struct DamagedSnapshot {
    /// How many facts are in it.
    pub size: u64,
    /// What is wrong.
    pub problem: crate::snapshot::Problem,
}

/// Facts that were not appended. Nothing was changed, and a later append may succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The entries do not continue the journal.
    #[error("the next fact of the journal is {expected}, not {got}")]
    OutOfOrder {
        /// The number that would continue the journal.
        expected: u64,
        /// The number that was given.
        got: u64,
    },
    /// The head could not be signed.
    #[error("the head of the journal cannot be signed")]
    Head(#[source] CheckpointError),
    /// The file failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl AppendError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } | Self::Head(_) => "report this as a bug",
            Self::Fault(fault) => fault.hint(),
        }
    }
}

/// A question to a journal that it could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The proof that was asked for cannot be made.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The journal is shorter than asked.
    #[error("the journal has {has} facts, fewer than the {asked} asked for")]
    TooShort {
        /// How many were asked for.
        asked: u64,
        /// How many there are.
        has: u64,
    },
    /// A fact is missing in the middle.
    #[error("fact {seq} is missing from the journal")]
    Missing {
        /// Which one.
        seq: u64,
    },
    /// The head could not be signed.
    #[error("the head of the journal cannot be signed")]
    Head(#[source] CheckpointError),
    /// A snapshot could not be read or written.
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
}

impl ReadError {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.hint(),
            Self::Proof(_) | Self::TooShort { .. } => {
                "ask for facts and sizes up to that of the newest head"
            }
            Self::Missing { .. } => "run `repower ledger verify` to see what was changed",
            Self::Head(_) => "report this as a bug",
            Self::Snapshot(_) => "check space, owner and permissions of the data folder",
        }
    }
}

/// Reading a ledger: what an auditor may ask, and what a replay needs.
pub trait Ledger {
    /// The newest head; `None` before the first fact.
    fn latest_head(&self) -> Result<Option<SignedHead>, ReadError>;

    /// Heads that were kept, newest first, the newest of all always among them; only those of fewer than `before`
    /// facts, if given.
    ///
    /// One is kept each [`HEAD_KEPT_EVERY_FACTS`] and each [`HEAD_KEPT_EVERY`] of activity.
    fn heads(&self, limit: usize, before: Option<u64>) -> Result<Vec<SignedHead>, ReadError>;

    /// At most `limit` facts in order, from `from_seq` on. Empty past the end.
    fn entries(&self, from_seq: u64, limit: usize) -> Result<Vec<StoredEntry>, ReadError>;

    /// The stored leaf hashes of the first `size` facts: 32 bytes each.
    ///
    /// # Errors
    ///
    /// [`ReadError::TooShort`] and [`ReadError::Missing`] if they are not all there.
    fn leaf_hashes(&self, size: u64) -> Result<Vec<Hash>, ReadError>;

    /// The proof that fact `seq` is in the ledger of the first `size` facts.
    fn inclusion(&self, seq: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        Ok(merkle::inclusion(&self.leaf_hashes(size)?, seq)?)
    }

    /// The proof that the ledger of the first `old` facts is the beginning of that of the first `new`.
    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadError> {
        Ok(merkle::consistency(&self.leaf_hashes(new)?, old)?)
    }
}

/// Writing a ledger; there is one writer.
pub trait Journal: Ledger {
    /// Appends facts and brings the projections up to date, durably and all or nothing, and returns the new head.
    ///
    /// With no facts and no rows it does nothing and returns the present head.
    ///
    /// # Errors
    ///
    /// On any error nothing was changed; the same append may be tried again.
    fn append(
        &mut self,
        entries: &[Entry],
        rows: &[Row],
        now: Timestamp,
    ) -> Result<Head, AppendError>;

    /// The present head.
    fn head(&self) -> Head;

    /// The public key that the heads verify with; its name is the origin of the ledger.
    fn verifier(&self) -> &VerifierKey;

    /// Keeps the state that the first `snapshot.size` facts give; the last two are kept.
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), ReadError>;

    /// The newest snapshot that is whole.
    fn latest_snapshot(&self) -> Result<FoundSnapshot, ReadError>;
}

/// When a head is kept for good, given the one that was kept last.
pub(crate) fn is_kept(head: &Head, last_kept: Option<&Head>) -> bool {
    let Some(last) = last_kept else { return true };
    head.size / HEAD_KEPT_EVERY_FACTS > last.size / HEAD_KEPT_EVERY_FACTS
        || head.at.since(last.at) >= HEAD_KEPT_EVERY
}

/// Checks that the entries continue a journal of `size` facts.
pub(crate) fn in_order(size: u64, entries: &[Entry]) -> Result<(), AppendError> {
    for (expected, entry) in (size..).zip(entries) {
        if entry.seq != expected {
            return Err(AppendError::OutOfOrder { expected, got: entry.seq });
        }
    }
    Ok(())
}
