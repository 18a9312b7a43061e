//! What a task is kept apart from, and what becomes of it when its node is cut off.

use serde::{Deserialize, Serialize};

/// How far a task is kept apart from its node and from other tasks. Each level has all of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Isolation {
    /// A session of its own, no new privileges, and its limits where the node can hold them.
    #[default]
    Bare,
    /// Sees no processes but its own and no files but its own and the system's, as a user of its own.
    Boxed,
    /// Has no network either, but for what its egress allows.
    Sealed,
}

impl Isolation {
    /// All of them, ascending.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Boxed, Self::Sealed];

    /// The name, as options, policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Boxed => "boxed",
            Self::Sealed => "sealed",
        }
    }
}

/// What of the network a task reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Egress {
    /// Whatever its node reaches.
    #[default]
    Open,
    /// Nothing but itself.
    None,
    /// These only: `host:port`, ascending, none twice.
    Only(Vec<String>),
}

/// What becomes of a task when its node has lost the scheduler for the length of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum OnDisconnect {
    /// The agent stops it, and the scheduler tries it elsewhere.
    #[default]
    Stop,
    /// It goes on, and the scheduler waits for its node to come back.
    Keep,
}

impl OnDisconnect {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Stop, Self::Keep];

    /// The name, as options, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Keep => "keep",
        }
    }
}
