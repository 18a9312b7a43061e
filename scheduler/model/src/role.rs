//! What a person may do.

use serde::{Deserialize, Serialize};

/// What the token of a person lets them do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Submits jobs, does with them what is theirs to do, and reads everything.
    Submitter,
    /// Runs the cell: decides about policies, reviews, findings, nodes, tokens, and jobs of others.
    Operator,
}

impl Role {
    /// The name, as tables and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitter => "submitter",
            Self::Operator => "operator",
        }
    }
}
