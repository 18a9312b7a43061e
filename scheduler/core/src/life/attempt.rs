//! The life of an attempt while it is on a node.

use serde::{Deserialize, Serialize};

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Sent to the node; not known to run.
    Placed,
    /// Sent to the node and asked back; it may have started meanwhile.
    Recalled,
    /// Its process runs; all of them, if it is a gang.
    Running,
    /// A rank of a gang has not succeeded: the nodes of the others were told to end them.
    Ending,
    /// The node was told to end it, because more urgent work needs its place.
    Preempting,
    /// The node was told to end it, because it is to be empty.
    Draining,
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
    /// More urgent work needs its place.
    Preempt,
    /// Its node is to be empty.
    Drain,
    /// A rank of it has not succeeded, so the others cannot either.
    Break,
    /// Somebody cancels it.
    Cancel,
}

/// The phase after an event; `None`: the event comes too late or changes nothing.
pub fn after(phase: Phase, event: Event) -> Option<Phase> {
    use Phase::{Cancelling, Draining, Ending, Placed, Preempting, Recalled, Running};
    match (phase, event) {
        (Placed | Recalled, Event::Started) => Some(Running),
        (Running | Ending | Preempting | Draining | Cancelling, Event::Started) => None,
        (Placed, Event::Recall) => Some(Recalled),
        (Recalled | Running | Ending | Preempting | Draining | Cancelling, Event::Recall) => None,
        (Placed | Recalled | Running, Event::Preempt) => Some(Preempting),
        (Ending | Preempting | Draining | Cancelling, Event::Preempt) => None,
        (Placed | Recalled | Running, Event::Drain) => Some(Draining),
        (Ending | Preempting | Draining | Cancelling, Event::Drain) => None,
        (Placed | Recalled | Running, Event::Break) => Some(Ending),
        (Ending | Preempting | Draining | Cancelling, Event::Break) => None,
        (Placed | Recalled | Running | Ending | Preempting | Draining, Event::Cancel) => {
            Some(Cancelling)
        }
        (Cancelling, Event::Cancel) => None,
    }
}

impl Phase {
    /// Whether its nodes were told to end it, and may not have started to.
    pub fn is_stopping(self) -> bool {
        match self {
            Self::Placed | Self::Recalled | Self::Running => false,
            Self::Ending | Self::Preempting | Self::Draining | Self::Cancelling => true,
        }
    }
}
