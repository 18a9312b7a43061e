//! The ledger of the data folder: opening, replay, snapshots.

use std::path::Path;

use repower_core::engine::Engine;
use repower_core::state::State;
use repower_proto::convert;
use repower_store::journal::{Journal as _, Ledger as _, ReadError, Snapshot};
use repower_store::sqlite::Journal;

use crate::Error;

/// The encoding of snapshots: the state in postcard, as this version lays it out.
const FORMAT: u32 = 7;
/// Facts that are read at one time during replay.
const PAGE: usize = 10_000;

/// The ledger, and the engine that its facts give.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) journal: Journal,
    pub(crate) engine: Engine,
    /// How many facts are in the newest usable snapshot.
    pub(crate) snapshot: u64,
}

/// Opens the ledger and replays its facts from the newest snapshot on.
pub(crate) fn open(folder: &Path, cell: &str) -> Result<Replayed, Error> {
    let journal = Journal::open(folder, cell)?;
    let found = journal.latest_snapshot().map_err(Error::Read)?;
    let facts = journal.head().size;
    for damaged in &found.damaged {
        // A snapshot holds durable facts only: a ledger that has fewer has lost some, and going on
        // would give their numbers, and the ids in them, to others.
        if damaged.size > facts {
            return Err(Error::RolledBack { facts, snapshot: damaged.size });
        }
        tracing::warn!(%damaged, "passing over a snapshot");
    }
    let state = found.snapshot.as_ref().and_then(read);
    let snapshot = state.as_ref().map_or(0, |state| state.seq);
    let mut engine = state.map_or_else(Engine::new, Engine::from_state);
    replay(&journal, &mut engine)?;
    Ok(Replayed { journal, engine, snapshot })
}

/// The state in a snapshot; `None` if another version laid it out, and the facts must do.
fn read(snapshot: &Snapshot) -> Option<State> {
    let state = (snapshot.format == FORMAT).then(|| postcard::from_bytes::<State>(&snapshot.bytes));
    match state {
        Some(Ok(state)) if state.seq == snapshot.size => Some(state),
        _ => {
            tracing::warn!(
                seq = snapshot.size,
                "the snapshot is of another version: replaying all"
            );
            None
        }
    }
}

/// The snapshot of a state.
pub(crate) fn snapshot(state: &State) -> Result<Snapshot, postcard::Error> {
    let bytes = postcard::to_stdvec(state)?;
    Ok(Snapshot { size: state.seq, format: FORMAT, bytes })
}

fn replay(journal: &Journal, engine: &mut Engine) -> Result<(), Error> {
    loop {
        let from = engine.state().seq;
        let page = journal.entries(from, PAGE).map_err(Error::Read)?;
        for stored in &page {
            let entry = convert::decode(&stored.body)
                .map_err(|source| Error::Fact { seq: stored.seq, source })?;
            let seq = engine.state().seq;
            if entry.seq != seq {
                return Err(Error::Read(ReadError::Missing { seq }));
            }
            engine.apply(&entry);
        }
        if page.len() < PAGE {
            tracing::debug!(facts = engine.state().seq, "replayed");
            return Ok(());
        }
    }
}
