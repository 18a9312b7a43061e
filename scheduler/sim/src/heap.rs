//! The heap of events: what happens next.

use std::collections::BTreeMap;

use repower_agent_core::Moment;

/// Events of one instant happen in this order; within a class by id, then as they were pushed.
///
/// The order is part of what the simulator promises: the results of backfill depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Something has ended: a process, a commit.
    Completion,
    /// A message or a person arrives.
    Arrival,
    /// Something outside has changed: a link, a clock, a machine.
    Signal,
    /// A timer.
    Tick,
    /// The scheduler turns what has arrived, and looks for places.
    Pass,
}

/// Events by time.
#[derive(Debug)]
pub struct Heap<E> {
    events: BTreeMap<(Moment, Class, u64, u64), E>,
    pushed: u64,
}

impl<E> Default for Heap<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), pushed: 0 }
    }
}

impl<E> Heap<E> {
    /// Adds an event; `id` says whose it is.
    pub fn push(&mut self, at: Moment, class: Class, id: u64, event: E) {
        self.pushed += 1;
        self.events.insert((at, class, id, self.pushed), event);
    }

    /// Takes out what happens next.
    pub fn pop(&mut self) -> Option<(Moment, E)> {
        let ((at, ..), event) = self.events.pop_first()?;
        Some((at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_instant_go_by_class_then_id_then_age() {
        let mut heap = Heap::default();
        let at = Moment::from_millis;
        heap.push(at(5), Class::Pass, 1, "pass");
        heap.push(at(5), Class::Arrival, 2, "second");
        heap.push(at(5), Class::Arrival, 2, "third");
        heap.push(at(5), Class::Arrival, 1, "first");
        heap.push(at(5), Class::Completion, 9, "completion");
        heap.push(at(4), Class::Pass, 9, "earlier");

        let order: Vec<_> = std::iter::from_fn(|| heap.pop()).map(|(_, event)| event).collect();

        assert_eq!(order, ["earlier", "completion", "first", "second", "third", "pass"]);
    }
}
