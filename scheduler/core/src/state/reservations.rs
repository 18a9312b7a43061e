//! Nodes that are kept for a time, by number and by node.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{NodeId, Reservation, ReservationId, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::State;

/// All reservations that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reservations {
    known: BTreeMap<ReservationId, Reservation>,
    by_node: BTreeMap<NodeId, BTreeSet<(Timestamp, ReservationId)>>,
    ends: BTreeSet<(Timestamp, ReservationId)>,
    last: u64,
}

impl Reservations {
    /// The one of a number.
    pub fn get(&self, id: ReservationId) -> Option<&Reservation> {
        self.known.get(&id)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.known.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Those of a node, in the order in which they begin.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Reservation> {
        let ids = self.by_node.get(&node).into_iter().flatten();
        ids.map(|(_, id)| &self.known[id])
    }

    /// When the next one ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// One whose time is over.
    pub(crate) fn first_over(&self, now: Timestamp) -> Option<ReservationId> {
        self.ends.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// The number of the next one.
    pub(crate) fn next_id(&self) -> ReservationId {
        ReservationId(self.last + 1)
    }

    pub(super) fn insert(&mut self, one: &Reservation) {
        self.last = self.last.max(one.id.0);
        self.ends.insert((one.until, one.id));
        for node in &one.nodes {
            self.by_node.entry(*node).or_default().insert((one.from, one.id));
        }
        self.known.insert(one.id, one.clone());
    }

    pub(super) fn remove(&mut self, id: ReservationId) -> Option<Reservation> {
        let one = self.known.remove(&id)?;
        self.ends.remove(&(one.until, id));
        for node in &one.nodes {
            if let Some(of_node) = self.by_node.get_mut(node) {
                of_node.remove(&(one.from, id));
                if of_node.is_empty() {
                    self.by_node.remove(node);
                }
            }
        }
        Some(one)
    }
}

impl State {
    /// The first reservation that keeps a task of a project from starting on a node at `from`:
    /// one for others that has begun, or that begins before the task has ended by its bound. A
    /// task without a bound does not start where any lies ahead.
    pub fn reserved(
        &self,
        node: NodeId,
        project: &str,
        from: Timestamp,
        bound: Option<Span>,
    ) -> Option<&Reservation> {
        let until = bound.map(|bound| from + bound);
        let mut all = self.reservations.of_node(node);
        all.find(|one| one.project.as_deref() != Some(project) && one.overlaps(from, until))
    }
}
