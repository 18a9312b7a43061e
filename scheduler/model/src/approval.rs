//! Approvals of work that a person has to look at, and the marks by which it is known.

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, Hash, Timestamp};

/// A named person lets jobs of a kind run for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number.
    pub id: ApprovalId,
    /// Jobs of which class.
    pub class: String,
    /// Of which project; `None`: of any.
    pub project: Option<String>,
    /// What they run, as one digest; `None`: anything in which nothing was found.
    pub content: Option<Hash>,
    /// Up to this: a job that has not started by then is not covered.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The policy in force when it was given.
    pub policy: Hash,
}

impl Approval {
    /// The most approvals at one time.
    pub const MOST: usize = 10_000;
}

/// What a mark is a sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sign {
    /// Constants of a proof-of-work function.
    ProofOfWork,
    /// Words of pool protocols and of their clients.
    PoolClient,
    /// Its digest is on the policy's list.
    KnownDigest,
    /// A word for which the policy wants a person to look.
    Word,
    /// It could not be looked at.
    Unread,
}

impl Sign {
    /// All, in order of weight.
    pub const ALL: [Self; 5] =
        [Self::ProofOfWork, Self::PoolClient, Self::KnownDigest, Self::Word, Self::Unread];

    /// The word for it, as tables and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProofOfWork => "proof-of-work",
            Self::PoolClient => "pool-client",
            Self::KnownDigest => "known-digest",
            Self::Word => "word",
            Self::Unread => "unread",
        }
    }
}

/// Something that was found in what a job brings along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is a sign of.
    pub sign: Sign,
    /// In what: `script`, `command`, `input tools.tar: bin/x`.
    pub place: String,
    /// What was found there, in words.
    pub detail: String,
}

impl Mark {
    /// The most marks of one job that are kept, the heaviest.
    pub const MOST: usize = 16;
    /// The longest place and detail, in bytes.
    pub const LONGEST: usize = 300;
}
