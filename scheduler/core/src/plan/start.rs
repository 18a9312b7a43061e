//! Trying to start one task of a shape.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{AttemptId, JobId, NodeId};

use super::room::{Place, Room};
use super::{avoided, pace, quota};
use crate::fact::Fact;
use crate::state::{Job, Shape, ShapeId, State};

/// How many jobs of one shape are looked at before the shape is passed by.
const LOOK: usize = 4096;

/// What passes remember of each other: only what spares them work, never what changes the outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// Shapes that fitted on no node, by the tick of the offers when they were tried.
    full: BTreeMap<ShapeId, u64>,
}

impl Memory {
    /// Forgets shapes that nobody asks for any more.
    pub(super) fn tidy(&mut self, state: &State) {
        if self.full.len() > 1024 {
            self.full.retain(|shape, _| state.queue.line(*shape).is_some());
        }
    }
}

/// What comes of trying.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A task starts.
    Starts(Fact),
    /// No node has room for it now.
    Full,
    /// What it waits for is not room.
    Barred,
}

/// Tries tasks of one pass.
#[derive(Debug)]
pub(super) struct Starter<'a> {
    pub(super) memory: &'a mut Memory,
    pub(super) room: Room,
    /// Jobs that were passed by: their next task cannot go anywhere now.
    skipped: BTreeSet<JobId>,
}

impl<'a> Starter<'a> {
    pub(super) fn new(memory: &'a mut Memory) -> Self {
        Self { memory, room: Room::default(), skipped: BTreeSet::new() }
    }

    /// Begins again: nothing is taken but what is promised, and nobody has been passed by.
    pub(super) fn begin(&mut self, state: &State) {
        self.room = Room::of(state);
        self.skipped.clear();
    }

    /// Tries a task of the job that goes first in a shape, or of one behind it where those before
    /// it only have nodes of their own to avoid.
    pub(super) fn shape(&mut self, state: &State, id: ShapeId) -> Verdict {
        let Some(line) = state.queue.line(id) else {
            return Verdict::Barred;
        };
        for (turn, _) in line.jobs().take(LOOK) {
            if self.skipped.contains(&turn.job) {
                continue;
            }
            let verdict = self.job(state, id, &line.shape, &state.jobs[&turn.job]);
            match verdict {
                Verdict::Starts(_) | Verdict::Barred => return verdict,
                Verdict::Full => {}
            }
            let place = state.jobs[&turn.job].next_place(state.now);
            let tries = place.and_then(|place| state.jobs[&turn.job].tries.get(&place));
            if tries.is_none_or(|tries| tries.avoid.is_empty()) {
                return Verdict::Full;
            }
            self.skipped.insert(turn.job);
        }
        Verdict::Full
    }

    /// Tries the next task of a job.
    pub(super) fn job(&mut self, state: &State, id: ShapeId, shape: &Shape, job: &Job) -> Verdict {
        let Some(at) = job.next_place(state.now) else {
            return Verdict::Barred;
        };
        if quota::passed(state, shape, None).is_some() {
            return Verdict::Barred;
        }
        let avoid = avoided(state, job, at);
        let attempt = AttemptId { task: job.task(at), number: job.next_number(at) };
        let placed = |place: Place, runway| Fact::AttemptPlaced {
            attempt,
            node: place.node,
            runway,
            alternative: place.choice,
            parts: place.parts,
        };
        let tick = self.memory.full.get(&id).copied().filter(|_| avoid.is_empty());
        if let Some(place) = self.room.now(state, shape, avoid, tick) {
            self.room.took(state, shape, &place);
            return Verdict::Starts(placed(place, false));
        }
        if avoid.is_empty() && !self.room.is_narrowed() {
            self.memory.full.insert(id, state.offers.tick());
        }
        match self.waiting_room(state, shape, job, avoid) {
            Some(node) => Verdict::Starts(placed(Place::one(node, 0), true)),
            None => Verdict::Full,
        }
    }

    /// The node with the shortest runway on which a short task may wait.
    fn waiting_room(
        &self,
        state: &State,
        shape: &Shape,
        job: &Job,
        avoid: &[NodeId],
    ) -> Option<NodeId> {
        // What waits on a node holds nothing yet, so a quota would not see it.
        let waits = job.is_brisk() && !quota::bounds(state, &shape.project);
        if !waits || shape.gang.is_some() || shape.constraints.exclusive {
            return None;
        }
        let asked = &shape.resources;
        let usable = |id: &NodeId| !self.room.is_spoken_for(*id) && !avoid.contains(id);
        state
            .offers
            .runways()
            .filter(|(_, id)| usable(id))
            .map(|(waiting, id)| (waiting, &state.nodes[&id]))
            .filter(|(_, node)| Room::could_hold(node, shape, asked))
            .filter(|(_, node)| {
                state.reserved(node.id, &shape.project, state.now, shape.bound).is_none()
            })
            .take(1)
            .find(|(waiting, node)| *waiting < pace::runway(job.pace_us, asked, node.capacity()))
            .map(|(_, node)| node.id)
    }
}
