//! What can go wrong in a replay.

use repower_core::check::Violation;
use repower_core::refusal::Refusal;
use repower_model::Span;

/// A replay that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The engine does not do what the room asks for.
    #[error("the scheduler refuses {what}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why not.
        source: Refusal,
    },
    /// Jobs wait, and nothing can happen any more.
    #[error("{waiting} jobs still wait {after} into the trace, and the scheduler starts none")]
    Stuck {
        /// How many.
        waiting: u64,
        /// From second 0 of the trace.
        after: Span,
    },
    /// The engine broke one of its invariants.
    #[error("the scheduler broke a rule {after} into the trace: {violation}")]
    Broken {
        /// Which one.
        violation: Violation,
        /// From second 0 of the trace.
        after: Span,
    },
    /// A machine without nodes.
    #[error("the machine has no nodes")]
    NoNodes,
}

impl ReplayError {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "change the machine, or the policy",
            Self::Stuck { .. } | Self::Broken { .. } => "report this as a bug, with the trace",
            Self::NoNodes => "give it some with `--nodes` or `--node-list`",
        }
    }
}
