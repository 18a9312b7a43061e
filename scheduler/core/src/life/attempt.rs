//! The life of an attempt while it is on a node.

use serde::{Deserialize, Serialize};

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Sent to the node; not known to run.
    Placed,
    /// Sent to the node and asked back; it may have started meanwhile.
    Recalled,
    /// Its process runs.
    Running,
    /// The node was told to end it for good.
    Cancelling,
}

/// What may happen to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The node says that it runs.
    Started,
    /// Another node is free, and this one has kept it waiting.
    Recall,
    /// Somebody cancels it.
    Cancel,
}

/// The phase after an event; `None`: the event comes too late or changes nothing.
pub fn after(phase: Phase, event: Event) -> Option<Phase> {
    match (phase, event) {
        (Phase::Placed | Phase::Recalled, Event::Started) => Some(Phase::Running),
        (Phase::Running | Phase::Cancelling, Event::Started) => None,
        (Phase::Placed, Event::Recall) => Some(Phase::Recalled),
        (Phase::Recalled | Phase::Running | Phase::Cancelling, Event::Recall) => None,
        (Phase::Placed | Phase::Recalled | Phase::Running, Event::Cancel) => {
            Some(Phase::Cancelling)
        }
        (Phase::Cancelling, Event::Cancel) => None,
    }
}
