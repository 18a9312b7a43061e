//! The life of a node.

use repower_model::NodePhase;

/// What may happen to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It got a certificate.
    Enrolled,
    /// Its agent opened its link.
    Connected,
    /// Its lease ran out.
    Lost,
    /// Its agent ended in order.
    Left,
}

/// The phase after an event; `None`: the event comes too late or changes nothing.
pub fn after(phase: NodePhase, event: Event) -> Option<NodePhase> {
    match (phase, event) {
        (
            NodePhase::Enrolled | NodePhase::Up | NodePhase::Lost | NodePhase::Left,
            Event::Connected,
        ) => Some(NodePhase::Up),
        (NodePhase::Enrolled | NodePhase::Lost | NodePhase::Left, Event::Enrolled) => {
            Some(NodePhase::Enrolled)
        }
        (NodePhase::Up, Event::Enrolled) => None,
        (NodePhase::Up, Event::Lost) => Some(NodePhase::Lost),
        (NodePhase::Enrolled | NodePhase::Lost | NodePhase::Left, Event::Lost) => None,
        (NodePhase::Up, Event::Left) => Some(NodePhase::Left),
        (NodePhase::Enrolled | NodePhase::Lost | NodePhase::Left, Event::Left) => None,
    }
}
