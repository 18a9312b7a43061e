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
    /// The node was told to end it, because more urgent work needs its place.
    Preempting,
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
    /// Somebody cancels it.
    Cancel,
}

/// The phase after an event; `None`: the event comes too late or changes nothing.
pub fn after(phase: Phase, event: Event) -> Option<Phase> {
    use Phase::{Cancelling, Placed, Preempting, Recalled, Running};
    match (phase, event) {
        (Placed | Recalled, Event::Started) => Some(Running),
        (Running | Preempting | Cancelling, Event::Started) => None,
        (Placed, Event::Recall) => Some(Recalled),
        (Recalled | Running | Preempting | Cancelling, Event::Recall) => None,
        (Placed | Recalled | Running, Event::Preempt) => Some(Preempting),
        (Preempting | Cancelling, Event::Preempt) => None,
        (Placed | Recalled | Running | Preempting, Event::Cancel) => Some(Cancelling),
        (Cancelling, Event::Cancel) => None,
    }
}
