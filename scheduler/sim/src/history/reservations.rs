//! What the journal says of nodes that are kept for a time.

use std::collections::BTreeMap;

use repower_core::fact::{Entry, Fact};
use repower_model::{JobSpec, NodeId, Reservation, ReservationId, Timestamp};

use super::{Rule, hold};

/// Every reservation that has not ended, as the facts tell it.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    live: BTreeMap<ReservationId, Reservation>,
    last: u64,
}

impl Reservations {
    pub(super) fn made(&mut self, one: &Reservation, at: Timestamp) -> Result<(), Rule> {
        hold(one.id.0 == self.last + 1, "ids of reservations are counted")?;
        self.last = one.id.0;
        hold(one.from < one.until && at < one.until, "a reservation lies ahead")?;
        let clash = self.live.values().find(|other| {
            let shared = one.nodes.iter().any(|node| other.nodes.contains(node));
            shared && other.overlaps(one.from, Some(one.until))
        });
        hold(clash.is_none(), "no node is promised twice")?;
        self.live.insert(one.id, one.clone());
        Ok(())
    }

    pub(super) fn ended(&mut self, entry: &Entry) -> Result<(), Rule> {
        let Fact::ReservationEnded { id, by, .. } = &entry.fact else {
            return Ok(());
        };
        let ended = self.live.remove(id).ok_or("a reservation ends once")?;
        let in_time = by != "scheduler" || ended.until <= entry.at;
        hold(in_time, "a reservation ends by itself only when its time is over")
    }

    /// A task is placed on a node at a time.
    pub(super) fn placed(&self, node: NodeId, spec: &JobSpec, at: Timestamp) -> Result<(), Rule> {
        let until = spec.time_limit.or(spec.expected).map(|bound| at + bound);
        let mut on_node = self.live.values().filter(|one| one.nodes.contains(&node));
        let kept = on_node.any(|one| {
            one.project.as_deref() != Some(spec.project.as_str()) && one.overlaps(at, until)
        });
        hold(!kept, "nothing that may reach into a reservation for others starts before it")
    }
}
