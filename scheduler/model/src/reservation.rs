//! Nodes that are kept for a time.

use serde::{Deserialize, Serialize};

use crate::{NodeId, ReservationId, Timestamp};

/// Nodes that are kept for a time: for maintenance, or for one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its number.
    pub id: ReservationId,
    /// Which nodes; ascending, none twice, at least one.
    pub nodes: Vec<NodeId>,
    /// From when on.
    pub from: Timestamp,
    /// Up to this; later than `from`.
    pub until: Timestamp,
    /// Whose tasks may run there meanwhile; `None`: nobody's, for maintenance.
    pub project: Option<String>,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Reservation {
    /// The most reservations at one time.
    pub const MOST: usize = 1000;
    /// The most nodes of one.
    pub const MOST_NODES: usize = 10_000;

    /// Whether it and a span of time have a moment in common; `until` `None`: the span has no end.
    pub fn overlaps(&self, from: Timestamp, until: Option<Timestamp>) -> bool {
        self.until > from && until.is_none_or(|until| self.from < until)
    }
}
