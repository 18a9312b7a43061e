//! Ids are counters of one cell; keys, instances and hashes are made elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// A job of this cell. From 1, in order of submission.
    JobId(u64)
}
counter! {
    /// A node of this cell. From 1, in order of enrolment.
    NodeId(u32)
}
counter! {
    /// A token of this cell. From 1.
    TokenId(u64)
}
counter! {
    /// An approval of this cell. From 1.
    ApprovalId(u64)
}
counter! {
    /// A reservation of nodes of this cell. From 1.
    ReservationId(u64)
}
counter! {
    /// A finding of this cell. From 1, in the order in which they were opened.
    FindingId(u64)
}

/// One index of a job's array; written `12.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The job it belongs to.
    pub job: JobId,
    /// Its index, as the user gave it.
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.index)
    }
}

/// One try to run a task; written `12.3#2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The task that is tried.
    pub task: TaskId,
    /// From 1; only grows.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

/// One process of an attempt: a plain attempt has rank 0 only. Written `12.3#2`, and `12.3#2/1` from
/// the second rank of a gang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RankId {
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// From 0.
    pub rank: u32,
}

impl AttemptId {
    /// A rank of it.
    pub fn rank(self, rank: u32) -> RankId {
        RankId { attempt: self, rank }
    }
}

impl From<AttemptId> for RankId {
    /// The one process of a plain attempt.
    fn from(attempt: AttemptId) -> Self {
        attempt.rank(0)
    }
}

impl fmt::Display for RankId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.attempt)?;
        if self.rank > 0 { write!(f, "/{}", self.rank) } else { Ok(()) }
    }
}

/// What makes a submission idempotent: a UUID made by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub [u8; 16]);

/// One process of an agent: 16 random bytes. Another instance means that the tasks of the one before are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance(pub [u8; 16]);

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads 64 hexadecimal digits of either case; `None` if they are not that.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
