//! One pass over what waits. It reads the state and proposes one fact at a time; the engine makes
//! each true before it asks for the next, so the pass never plans with what it has given away.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{AttemptId, JobId, NodeId, Resources, StopReason, TaskId};

use super::{PATIENCE, RECALL_AFTER, avoided, pace};
use crate::fact::Fact;
use crate::life::attempt::Phase;
use crate::state::{Job, Node, State, Turnstile};

/// How many jobs of one shape are looked at before the shape is passed by.
const LOOK: usize = 4096;

/// One pass. Made anew for each.
#[derive(Debug)]
pub(crate) struct Pass {
    /// Shapes that may still go, by the job that goes first.
    heads: BTreeMap<Turnstile, Resources>,
    /// Jobs that were passed by: their next task cannot go anywhere now.
    skipped: BTreeSet<JobId>,
    /// Nodes that are kept for tasks that have waited too long.
    kept: BTreeSet<NodeId>,
    /// Tasks taken back so far.
    recalled: usize,
}

impl Pass {
    pub(crate) fn new(state: &State) -> Self {
        let heads = state.queue.heads().map(|(turn, shape)| (turn, shape.clone())).collect();
        let (skipped, kept) = (BTreeSet::new(), BTreeSet::new());
        Self { heads, skipped, kept, recalled: 0 }
    }

    /// The next fact of the pass; `None` when it is over.
    pub(crate) fn next(&mut self, state: &State) -> Option<Fact> {
        while let Some((turn, shape)) = self.heads.pop_first() {
            // The head of a shape may have changed since: its job may have run out of tasks.
            match state.queue.head(&shape) {
                Some(head) if head != turn => {
                    self.heads.insert(head, shape);
                    continue;
                }
                Some(_) => {}
                None => continue,
            }
            if let Some(fact) = self.place(state, &shape) {
                self.heads.insert(turn, shape);
                return Some(fact);
            }
        }
        self.recall(state)
    }

    /// Places a task of a shape: of the job that goes first, or of one behind it where those
    /// before it only have nodes of their own to avoid.
    fn place(&mut self, state: &State, shape: &Resources) -> Option<Fact> {
        let jobs = state.queue.of_shape(shape).map(|(_, job)| &state.jobs[&job]);
        for job in jobs.take(LOOK) {
            if self.skipped.contains(&job.id) {
                continue;
            }
            if let Some(fact) = self.place_one(state, job) {
                return Some(fact);
            }
            let place = job.next_place(state.now)?;
            if job.tries.get(&place).is_none_or(|tries| tries.avoid.is_empty()) {
                return None;
            }
            self.skipped.insert(job.id);
        }
        None
    }

    fn place_one(&mut self, state: &State, job: &Job) -> Option<Fact> {
        let place = job.next_place(state.now)?;
        let task = job.task(place);
        let avoid = avoided(state, job, place);
        let asked = &job.spec.resources;
        let fits = self.fitting(state, asked, avoid).map(|node| (node, false));
        let found = fits.or_else(|| self.waiting_room(state, job, avoid).map(|node| (node, true)));
        let Some((node, runway)) = found else {
            self.keep_one(state, job, asked);
            return None;
        };
        let number = job.next_number(place);
        let attempt = AttemptId { task, number };
        Some(Fact::AttemptPlaced { attempt, node, runway, alternative: 0, parts: Vec::new() })
    }

    /// The node on which a task fits tightest now.
    fn fitting(&self, state: &State, asked: &Resources, avoid: &[NodeId]) -> Option<NodeId> {
        state.offers.with_free(asked.cpus).find(|id| {
            let usable = !self.kept.contains(id) && !avoid.contains(id);
            usable && state.nodes[id].free().holds(asked)
        })
    }

    /// The node with the shortest runway on which a short task may wait.
    fn waiting_room(&self, state: &State, job: &Job, avoid: &[NodeId]) -> Option<NodeId> {
        let asked = &job.spec.resources;
        job.pace_us?;
        state
            .offers
            .runways()
            .filter(|(_, id)| !self.kept.contains(id) && !avoid.contains(id))
            .map(|(waiting, id)| (waiting, &state.nodes[&id]))
            .filter(|(_, node)| node.takes_work() && node.capacity().holds(asked))
            .take(1)
            .find(|(waiting, node)| *waiting < pace::runway(job.pace_us, asked, node.capacity()))
            .map(|(_, node)| node.id)
    }

    /// Keeps the node that is nearest to holding a task which has waited too long.
    fn keep_one(&mut self, state: &State, job: &Job, asked: &Resources) {
        if state.now.since(job.submitted) < PATIENCE {
            return;
        }
        let able = |node: &&Node| {
            node.takes_work() && node.capacity().holds(asked) && !self.kept.contains(&node.id)
        };
        let nearest = state.nodes.values().filter(able).max_by_key(|node| node.free().cpus);
        if let Some(node) = nearest {
            self.kept.insert(node.id);
        }
    }

    /// Takes back a task that waits on a busy node while another could start it now.
    fn recall(&mut self, state: &State) -> Option<Fact> {
        state.offers.most_free()?;
        let longest = state.offers.runways().rev().take_while(|(waiting, _)| *waiting > 0);
        for (_, id) in longest {
            let waiting = state.nodes[&id].runway.iter().rev();
            let stuck = waiting.copied().find(|task| is_stuck(state, *task));
            let Some(task) = stuck else { continue };
            let job = &state.jobs[&task.job];
            let asked = &job.spec.resources;
            let avoid = job.place(task).map_or(&[][..], |place| avoided(state, job, place));
            let free = state.offers.with_free(asked.cpus);
            let usable = |id: &NodeId| !self.kept.contains(id) && !avoid.contains(id);
            // Each task that was taken back so far has one of the free nodes to go to.
            let mut able = free.filter(|id| usable(id) && state.nodes[id].free().holds(asked));
            able.nth(self.recalled)?;
            self.recalled += 1;
            let number = state.attempts[&task].number;
            return Some(Fact::AttemptStopping {
                attempt: AttemptId { task, number },
                why: StopReason::Recalled,
                by: "scheduler".into(),
                reason: "another node is free".into(),
            });
        }
        None
    }
}

fn is_stuck(state: &State, task: TaskId) -> bool {
    let attempt = &state.attempts[&task];
    attempt.phase == Phase::Placed && state.now.since(attempt.placed) >= RECALL_AFTER
}
