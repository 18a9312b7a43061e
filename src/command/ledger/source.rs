//! A ledger, wherever it is: behind a scheduler, or in a data folder.

use std::ops::ControlFlow;
use std::path::Path;

use prost::Message as _;
use repower_model::Timestamp;
use repower_proto::v1::{
    self, ConsistencyRequest, Entry, ExportRequest, HeadRequest, HeadsRequest, InclusionRequest,
};
use repower_store::journal::{Head, Ledger as _, SignedHead, StoredEntry};
use repower_store::merkle::Hash;
use repower_store::note::VerifierKey;
use repower_store::sqlite::Reader;

use super::Place;
use super::error::LedgerError;
use crate::client::Client;
use crate::failure::Failure;
use crate::render::Screen;

/// Facts and heads that are asked for at once.
const BATCH: u32 = 1024;

/// Where facts, heads and proofs come from.
#[derive(Debug)]
pub(in crate::command) enum Source {
    Scheduler(Client),
    Folder(Reader),
}

/// Reads the number that the body of a fact says it has.
pub(in crate::command) fn seq_of(body: &[u8]) -> Option<u64> {
    Entry::decode(body).ok().map(|entry| entry.seq)
}

pub(super) fn hash(bytes: &[u8]) -> Result<Hash, LedgerError> {
    Hash::try_from(bytes).map_err(|_| LedgerError::Hash { length: bytes.len() })
}

fn hashes(list: &[Vec<u8>]) -> Result<Vec<Hash>, LedgerError> {
    list.iter().map(|bytes| hash(bytes)).collect()
}

fn signed(head: &v1::SignedHead) -> Result<SignedHead, LedgerError> {
    let at = Timestamp::from_millis(head.at_ms);
    Ok(SignedHead {
        head: Head { size: head.size, root: hash(&head.root)?, at },
        note: head.note.clone(),
    })
}

fn stored(fact: v1::StoredFact) -> Result<StoredEntry, LedgerError> {
    Ok(StoredEntry { seq: fact.seq, leaf: hash(&fact.leaf)?, body: fact.body })
}

impl Source {
    /// Opens the data folder, or connects to the scheduler.
    pub(in crate::command) async fn open(
        place: &Place,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        match &place.data {
            Some(folder) => Ok(Self::Folder(Reader::open(folder).map_err(LedgerError::from)?)),
            None => Ok(Self::Scheduler(place.reach.connect(screen).await?)),
        }
    }

    /// Returns the newest head, and the key that the ledger says it is signed with.
    pub(in crate::command) async fn newest(&self) -> Result<(SignedHead, VerifierKey), Failure> {
        match self {
            Self::Scheduler(client) => {
                let head = client.ledger().head(HeadRequest {}).await;
                let head = head.map_err(|status| client.refused(&status))?.into_inner();
                Ok((
                    signed(&head)?,
                    head.verifier_key.trim_end().parse().map_err(LedgerError::Key)?,
                ))
            }
            Self::Folder(reader) => {
                let head =
                    reader.latest_head().map_err(LedgerError::from)?.ok_or(LedgerError::Empty)?;
                let key =
                    reader.verifier_key().map_err(LedgerError::from)?.ok_or(LedgerError::NoKey)?;
                Ok((head, key.trim_end().parse().map_err(LedgerError::Key)?))
            }
        }
    }

    /// Returns heads that were kept, newest first.
    pub(super) async fn heads(
        &self,
        limit: u32,
        before: Option<u64>,
    ) -> Result<Vec<SignedHead>, Failure> {
        match self {
            Self::Scheduler(client) => {
                let request = HeadsRequest { limit, before_size: before.unwrap_or(0) };
                let reply = client
                    .ledger()
                    .heads(request)
                    .await
                    .map_err(|status| client.refused(&status))?;
                let heads = reply.into_inner().heads;
                Ok(heads.iter().map(signed).collect::<Result<_, _>>()?)
            }
            Self::Folder(reader) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                Ok(reader.heads(limit, before).map_err(LedgerError::from)?)
            }
        }
    }

    /// Returns all heads that were kept, newest first.
    pub(super) async fn all_heads(&self) -> Result<Vec<SignedHead>, Failure> {
        let mut all: Vec<SignedHead> = Vec::new();
        loop {
            let before = all.last().map(|head| head.head.size);
            let more = self.heads(BATCH, before).await?;
            let new = more.iter().all(|head| before.is_none_or(|before| head.head.size < before));
            // A size of 0 has none before it; and on the wire it would ask for the newest again.
            let last = more.last().is_none_or(|head| head.head.size == 0);
            all.extend(more.into_iter().filter(|_| new));
            if last || !new {
                return Ok(all);
            }
        }
    }

    /// Gives facts in order to `each`, until it has had enough or there are no more.
    pub(in crate::command) async fn facts(
        &self,
        from: u64,
        count: u64,
        mut each: impl FnMut(StoredEntry) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Scheduler(client) => {
                let stream = client.ledger().export(ExportRequest { from, count }).await;
                let mut stream = stream.map_err(|status| client.refused(&status))?.into_inner();
                while let Some(reply) =
                    stream.message().await.map_err(|status| client.refused(&status))?
                {
                    for fact in reply.facts {
                        if each(stored(fact)?)?.is_break() {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            }
            Self::Folder(reader) => {
                let (mut next, end) =
                    (from, if count == 0 { u64::MAX } else { from.saturating_add(count) });
                while next < end {
                    let limit =
                        usize::try_from(u64::from(BATCH).min(end - next)).unwrap_or(usize::MAX);
                    let facts = reader.entries(next, limit).map_err(LedgerError::from)?;
                    let Some(last) = facts.last() else {
                        return Ok(());
                    };
                    next = last.seq + 1;
                    for fact in facts {
                        if each(fact)?.is_break() {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Returns a fact and the proof that it is in the tree of `head`.
    pub(super) async fn inclusion(
        &self,
        seq: u64,
        size: u64,
    ) -> Result<(StoredEntry, Vec<Hash>), Failure> {
        match self {
            Self::Scheduler(client) => {
                let reply = client.ledger().prove_inclusion(InclusionRequest { seq, size }).await;
                let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
                let fact = reply.fact.ok_or(LedgerError::Lacks { what: "fact" })?;
                Ok((stored(fact)?, hashes(&reply.hashes)?))
            }
            Self::Folder(reader) => {
                let facts = reader.entries(seq, 1).map_err(LedgerError::from)?;
                let fact = facts.into_iter().next().ok_or(LedgerError::Beyond { seq, size })?;
                Ok((fact, reader.inclusion(seq, size).map_err(LedgerError::from)?))
            }
        }
    }

    /// Returns the proof that the tree of `old` facts is the beginning of that of `new`.
    pub(super) async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Failure> {
        match self {
            Self::Scheduler(client) => {
                let request = ConsistencyRequest { old_size: old, new_size: new };
                let reply = client.ledger().prove_consistency(request).await;
                Ok(hashes(&reply.map_err(|status| client.refused(&status))?.into_inner().hashes)?)
            }
            Self::Folder(reader) => Ok(reader.consistency(old, new).map_err(LedgerError::from)?),
        }
    }
}

/// Reads a small text file: a head or a key that was kept outside.
pub(super) fn text(path: &Path) -> Result<String, LedgerError> {
    use std::io::Read as _;

    const LARGEST: u64 = 1 << 16;
    let unreadable = |source| LedgerError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}
