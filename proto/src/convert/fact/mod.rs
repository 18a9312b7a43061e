//! Facts as bytes: what stands in the journal, forever.

mod from_wire;
mod to_wire;

use prost::Message;
use repower_core::fact::Entry;
use repower_model::Timestamp;

use super::{ConvertError, Problem, present};
use crate::v1;

/// The bytes of a fact, as the journal keeps them. The same fact always gives the same bytes.
pub fn encode(entry: &Entry) -> Vec<u8> {
    v1::Entry::from(entry).encode_to_vec()
}

/// Reads a fact of the journal.
///
/// # Errors
///
/// [`ConvertError`] if the bytes are no fact, or one that this version does not know.
pub fn decode(bytes: &[u8]) -> Result<Entry, ConvertError> {
    let malformed = |_| ConvertError::new("entry", Problem::Malformed);
    v1::Entry::decode(bytes).map_err(malformed)?.try_into()
}

/// The sequence number of a fact, whatever else it says; `None` if the bytes are not protobuf.
pub fn seq_of(bytes: &[u8]) -> Option<u64> {
    #[derive(Message)]
    struct Numbered {
        #[prost(uint64, tag = "1")]
        seq: u64,
    }
    Numbered::decode(bytes).ok().map(|numbered| numbered.seq)
}

impl From<&Entry> for v1::Entry {
    fn from(entry: &Entry) -> Self {
        let fact = Some((&entry.fact).into());
        Self { seq: entry.seq, at_ms: entry.at.as_millis(), fact }
    }
}

impl TryFrom<v1::Entry> for Entry {
    type Error = ConvertError;

    fn try_from(entry: v1::Entry) -> Result<Self, ConvertError> {
        let fact = present("fact", entry.fact)?.try_into()?;
        Ok(Self { seq: entry.seq, at: Timestamp::from_millis(entry.at_ms), fact })
    }
}
