//! Places that a pass keeps for what cannot start now, so that what goes around does not take them.

use repower_model::{JobId, NodeId, Timestamp};

use super::{Pass, Stage};
use crate::plan::avoided;
use crate::plan::preempt::Claim;
use crate::plan::room::{Room, is_patient};
use crate::plan::start::Memory;
use crate::state::{ShapeId, State};

impl Pass<'_> {
    /// Keeps a place for what cannot start now.
    pub(super) fn reserve(&mut self, state: &State, id: ShapeId, job: JobId) {
        let Some(line) = state.queue.line(id) else { return };
        let (shape, job) = (&*line.shape, &state.jobs[&job]);
        let avoid = job.next_place(state.now).map_or(&[][..], |place| avoided(state, job, place));
        let room = &mut self.starter.room;
        if let Some(slot) = room.earliest(state, shape, avoid) {
            room.reserve(state, shape, &slot);
            self.reserved += 1;
            self.keeps.push(Kept { job: job.id, node: slot.place.node, at: Some(slot.at) });
            self.claim(job.id, slot.place.shares().map(|(node, _)| node).collect());
        } else if !is_patient(state.now.since(job.submitted))
            // It may be only what is kept for others that leaves a gang no nodes.
            && Room::default().earliest(state, shape, avoid).is_none()
        {
            let nodes = self.starter.room.keep_nearest(state, shape);
            self.reserved += 1;
            self.keeps.extend(nodes.first().map(|node| Kept {
                job: job.id,
                node: *node,
                at: None,
            }));
            self.claim(job.id, nodes);
        } else {
            self.claim(job.id, Vec::new());
        }
    }

    pub(super) fn claim(&mut self, job: JobId, nodes: Vec<NodeId>) {
        self.claims.push(Claim { job, nodes });
    }
}

/// What a pass keeps for a job whose next task cannot start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub job: JobId,
    /// Where.
    pub node: NodeId,
    /// From when on; `None`: the whole node, because nobody knows when it can start.
    pub at: Option<Timestamp>,
}

/// What the next pass would keep for what it cannot start, before anything goes around that: under
/// `repower` for the job that is first in order and the one that is oldest.
pub fn keeps(state: &State) -> Vec<Kept> {
    kept(state).1
}

/// When the next task of a job could start at the earliest, of the times at which something ends, if
/// nothing else began before: what a pass keeps for the job that is first.
pub fn earliest(state: &State, job: JobId) -> Option<Timestamp> {
    let (id, _) = state.queue.place(job)?;
    let shape = &state.queue.line(id)?.shape;
    let job = &state.jobs[&job];
    let avoid = job.next_place(state.now).map_or(&[][..], |place| avoided(state, job, place));
    Room::of(state).earliest(state, shape, avoid).map(|slot| slot.at)
}

/// What the next pass would keep for tasks that cannot start now: the same steps, but nothing starts.
pub(in crate::plan) fn kept(state: &State) -> (Room, Vec<Kept>) {
    let mut memory = Memory::default();
    let mut pass = Pass::new(state, &mut memory);
    if state.scheduling().discipline.lets_none_overtake() {
        return (Room::of(state), Vec::new());
    }
    // If something starts, what the pass would keep after that is not known without it.
    while matches!(
        pass.stage,
        Stage::Promised(_) | Stage::Opening(_) | Stage::InTurn(_) | Stage::Everyone(_)
    ) {
        if pass.step(state).is_some() {
            break;
        }
    }
    (pass.starter.room, pass.keeps)
}
