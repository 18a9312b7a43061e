//! A journal in memory, for simulation and tests: the same tree, the same heads, nothing on a disk.

use repower_model::Timestamp;

use crate::checkpoint::Checkpoint;
use crate::journal::{
    AppendError, Entry, FoundSnapshot, Head, Ledger, ReadError, SignedHead, Snapshot, StoredEntry,
    in_order, is_kept,
};
use crate::merkle::{self, Frontier, Hash};
use crate::note::{KeyError, SignerKey, VerifierKey};
use crate::rows::Row;
use crate::snapshot::KEPT;

/// A journal that ends with the process. It keeps no projections: nobody looks anything up in it.
#[derive(Debug, Clone)]
pub struct Journal {
    key: SignerKey,
    entries: Vec<StoredEntry>,
    frontier: Frontier,
    head: Head,
    kept: Vec<Head>,
    snapshots: Vec<Snapshot>,
}

impl Journal {
    /// Makes an empty journal of the cell `origin`. Its key is made from `seed`: the same facts give the same heads.
    pub fn new(origin: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        Ok(Self {
            key: SignerKey::from_seed(origin, seed)?,
            entries: Vec::new(),
            frontier: Frontier::new(),
            head: Head::empty(),
            kept: Vec::new(),
            snapshots: Vec::new(),
        })
    }

    /// Heads are signed when they are asked for: a simulation makes millions and asks for few.
    fn signed(&self, head: Head) -> Result<SignedHead, ReadError> {
        let origin = self.key.verifier().name().to_owned();
        let checkpoint =
            Checkpoint { origin, size: head.size, root: head.root, extensions: Vec::new() };
        Ok(SignedHead { head, note: checkpoint.sign(&self.key).map_err(ReadError::Head)? })
    }
}

impl Ledger for Journal {
    fn latest_head(&self) -> Result<Option<SignedHead>, ReadError> {
        if self.head.size == 0 { Ok(None) } else { self.signed(self.head).map(Some) }
    }

    fn heads(&self, limit: usize, before: Option<u64>) -> Result<Vec<SignedHead>, ReadError> {
        let newest =
            (self.kept.last() != Some(&self.head) && self.head.size > 0).then_some(self.head);
        let heads = newest.into_iter().chain(self.kept.iter().rev().copied());
        let before = before.unwrap_or(u64::MAX);
        heads.filter(|head| head.size < before).take(limit).map(|head| self.signed(head)).collect()
    }

    fn entries(&self, from_seq: u64, limit: usize) -> Result<Vec<StoredEntry>, ReadError> {
        let first = usize::try_from(from_seq).unwrap_or(usize::MAX);
        Ok(self.entries.iter().skip(first).take(limit).cloned().collect())
    }

    fn leaf_hashes(&self, size: u64) -> Result<Vec<Hash>, ReadError> {
        let has = self.entries.len() as u64;
        if size > has {
            return Err(ReadError::TooShort { asked: size, has });
        }
        let size = usize::try_from(size).expect("it is at most the length of a vector");
        Ok(self.entries[..size].iter().map(|entry| entry.leaf).collect())
    }
}

impl crate::journal::Journal for Journal {
    fn append(
        &mut self,
        entries: &[Entry],
        _rows: &[Row],
        now: Timestamp,
    ) -> Result<Head, AppendError> {
        in_order(self.head.size, entries)?;
        if entries.is_empty() {
            return Ok(self.head);
        }
        for entry in entries {
            let leaf = merkle::leaf(&entry.body);
            self.frontier.push(leaf);
            self.entries.push(StoredEntry { seq: entry.seq, body: entry.body.clone(), leaf });
        }
        self.head = Head { size: self.frontier.size(), root: self.frontier.root(), at: now };
        if is_kept(&self.head, self.kept.last()) {
            self.kept.push(self.head);
        }
        Ok(self.head)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), ReadError> {
        let size = snapshot.size;
        if size > self.head.size {
            return Err(crate::snapshot::SnapshotError::Ahead { size }.into());
        }
        self.snapshots.retain(|kept| kept.size != size);
        self.snapshots.push(snapshot.clone());
        self.snapshots.sort_by_key(|kept| kept.size);
        let surplus = self.snapshots.len().saturating_sub(KEPT);
        self.snapshots.drain(..surplus);
        Ok(())
    }

    fn latest_snapshot(&self) -> Result<FoundSnapshot, ReadError> {
        Ok(FoundSnapshot { snapshot: self.snapshots.last().cloned(), damaged: Vec::new() })
    }
}
