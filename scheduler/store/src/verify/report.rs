//! What a verification found.

use std::fmt;

use crate::checkpoint::CheckpointError;
use crate::journal::{DamagedSnapshot, Head};

/// What a verification found. The ledger holds if nothing is bad.
#[derive(Debug)]
pub struct Report {
    /// How many facts were found to be as they were written.
    pub facts: u64,
    /// How many stored heads held.
    pub heads: u64,
    /// How many heads from outside held.
    pub outside_heads: u64,
    /// The newest stored head that held.
    pub head: Option<Head>,
    /// The first thing that is not as it was written; what comes after it was not looked at.
    pub first_bad: Option<FirstBad>,
    /// How many snapshots there are.
    pub snapshots: usize,
    /// Those that cannot be used. That does no harm to the ledger: the facts give the same state.
    pub damaged_snapshots: Vec<DamagedSnapshot>,
}

impl Report {
    /// Whether every fact is as it was written.
    pub fn holds(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// The first thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct FirstBad {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: What,
}

/// Where something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this fact.
    Fact(u64),
    /// At one or more of these facts, both ends included: the heads tell no closer.
    Facts(u64, u64),
    /// At the head over so many facts.
    Head(u64),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The body was changed: the heads agree with the leaf beside it.
    #[error("its bytes were changed")]
    BodyChanged,
    /// The leaf was changed: the heads agree with the body beside it.
    #[error("its stored leaf hash was changed")]
    LeafChanged,
    /// Body and leaf do not fit, and no head tells which of them was changed.
    #[error("its bytes and its stored leaf hash do not fit")]
    Changed,
    /// The fact is not there, but a later one is.
    #[error("it is missing; the next one there is {next}")]
    Missing {
        /// The number of the next fact that is there.
        next: u64,
    },
    /// Another fact stands in its place in an export.
    #[error("fact {found} stands in its place")]
    OutOfPlace {
        /// The number of that fact.
        found: u64,
    },
    /// The body says that it is another fact: facts were swapped or copied.
    #[error("it says that it is fact {says}: facts were swapped or copied")]
    OtherNumber {
        /// The number in the body.
        says: u64,
    },
    /// The body does not say which fact it is.
    #[error("it does not say which fact it is")]
    NoNumber,
    /// The end of the ledger was cut off.
    #[error("it and what follows is missing: the newest head covers {size} facts")]
    TailCut {
        /// The size of the newest head.
        size: u64,
    },
    /// There are facts that no head covers.
    #[error("no head covers it: it was not written by the scheduler")]
    Unsigned,
    /// The facts and leaves were changed together: the signed head says another root.
    #[error("they do not give the root in the signed head of {size} facts: facts were rewritten")]
    Rewritten {
        /// The size of that head.
        size: u64,
    },
    /// As `Rewritten`, and the heads in the ledger were rewritten with them.
    #[error(
        "they do not give the root in the head of {size} facts that was kept outside: the history was rewritten"
    )]
    HistoryRewritten {
        /// The size of that head.
        size: u64,
    },
    /// The ledger is shorter than a head from outside.
    #[error(
        "it is missing, but a head that was kept outside covers {size} facts: the ledger was cut or replaced"
    )]
    ShorterThanOutside {
        /// The size of that head.
        size: u64,
    },
    /// A stored head is not as it was written.
    #[error("{0}")]
    Head(HeadProblem),
    /// The fact cannot be read.
    #[error("it cannot be read: {problem}")]
    Unreadable {
        /// What the file says.
        problem: String,
    },
}

/// What is wrong with a stored head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadProblem {
    /// Its note is malformed, or its signature does not hold.
    #[error("{0}")]
    Note(CheckpointError),
    /// Its columns say something else than its note.
    #[error("its columns say something else than its signed note")]
    Columns,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(seq) => write!(f, "fact {seq}"),
            Self::Facts(first, last) if first == last => write!(f, "fact {first}"),
            Self::Facts(first, last) => write!(f, "facts {first} to {last}"),
            Self::Head(size) => write!(f, "the head of {size} facts"),
        }
    }
}
