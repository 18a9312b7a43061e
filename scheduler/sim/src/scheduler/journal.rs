//! The journal on the disk of the world: the bytes that the daemon would write.

use repower_core::check::Violation;
use repower_core::fact::Entry;
use repower_model::Timestamp;
use repower_proto::convert;
use repower_store::journal::{Entry as Bytes, Head, Journal as _, Ledger as _};
use repower_store::memory::Journal;

/// The journal, and snapshots of the state.
#[derive(Debug)]
pub(crate) struct Ledger {
    journal: Journal,
    /// Every snapshot that was ever taken: how many facts are in it, and the state.
    pub(crate) snapshots: Vec<(u64, Vec<u8>)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let journal =
            Journal::new("sim", [7; 32]).expect("`sim` is a name that an origin can have");
        Self { journal, snapshots: Vec::new() }
    }

    /// Makes facts durable.
    pub(super) fn append(&mut self, entries: &[Entry], now: Timestamp) -> Result<(), Violation> {
        let bytes: Vec<_> = entries
            .iter()
            .map(|entry| Bytes { seq: entry.seq, body: convert::encode(entry) })
            .collect();
        let appended = self.journal.append(&bytes, &[], now);
        appended.map(drop).map_err(|error| Violation {
            rule: "the journal takes what the engine decides",
            detail: error.to_string(),
        })
    }

    /// How many facts are durable, and what hash they have.
    pub(crate) fn head(&self) -> Head {
        self.journal.head()
    }

    /// The facts as they were decided, from one on.
    pub(crate) fn entries(&self, from: u64) -> Result<Vec<Entry>, Violation> {
        let stored = self.journal.entries(from, usize::MAX).map_err(|error| Violation {
            rule: "the journal can be read",
            detail: error.to_string(),
        })?;
        decode_all(stored.iter().map(|entry| &entry.body[..]))
    }
}

/// Reads facts, and holds the codec to giving the same bytes again.
pub(crate) fn decode_all<'a>(
    bodies: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Entry>, Violation> {
    let broken = |detail| Violation { rule: "a fact can be read as it was written", detail };
    bodies
        .map(|body| {
            let entry = convert::decode(body).map_err(|error| broken(error.to_string()))?;
            if convert::encode(&entry) == body {
                Ok(entry)
            } else {
                Err(broken(format!("{entry:?} has other bytes")))
            }
        })
        .collect()
}
