//! The one door between wire and model, both ways.
//!
//! From model to wire is total: `v1::JobSpec::from(&spec)`. From wire to model is strict: what is
//! missing, unspecified or malformed is a [`ConvertError`] that names the field. Where a field may
//! be left out, its meaning is the one that stands beside it in the `.proto` file.

mod array;
mod attempt;
mod demand;
mod error;
mod exposure;
mod fact;
mod files;
mod finding;
mod job;
mod node;
mod outcome;
mod progress;
mod resources;
mod state;

pub use error::{ConvertError, Problem};
pub use fact::{decode, encode, seq_of};
pub use node::{inventory, role};
pub use resources::{amounts, asked};

use repower_model::{Hash, Instance, Key, Span, Timestamp};

/// The key of a submission: 16 bytes.
pub fn key(field: &str, bytes: &[u8]) -> Result<Key, ConvertError> {
    sized(field, bytes).map(Key)
}

/// The instance of an agent: 16 bytes.
pub fn instance(field: &str, bytes: &[u8]) -> Result<Instance, ConvertError> {
    sized(field, bytes).map(Instance)
}

/// A SHA-256: 32 bytes.
pub fn hash(field: &str, bytes: &[u8]) -> Result<Hash, ConvertError> {
    sized(field, bytes).map(Hash)
}

/// A point in time that may be left out: 0 is none.
pub fn moment(ms: i64) -> Option<Timestamp> {
    (ms != 0).then(|| Timestamp::from_millis(ms))
}

/// A length of time that may be left out: 0 is none.
pub fn span(ms: u64) -> Option<Span> {
    (ms != 0).then(|| Span::from_millis(ms))
}

/// Milliseconds since 1970; none is 0.
pub fn moment_ms(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_millis)
}

/// A number on the wire as a value of its enumeration.
pub fn known<T: TryFrom<i32>>(field: &str, value: i32) -> Result<T, ConvertError> {
    T::try_from(value).map_err(|_| ConvertError::new(field, Problem::Unknown { value }))
}

/// What must be there.
pub fn present<T>(field: &str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or_else(|| ConvertError::new(field, Problem::Missing))
}

fn sized<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], ConvertError> {
    let length = Problem::Length { expected: N, got: bytes.len() };
    bytes.try_into().map_err(|_| ConvertError::new(field, length))
}
