//! Taking back what waits on a busy node while another is free.

use repower_model::{AttemptId, NodeId, StopReason, TaskId};

use super::room::Room;
use super::{RECALL_AFTER, avoided, filter};
use crate::fact::Fact;
use crate::life::attempt::Phase;
use crate::state::{State, Token};

/// Takes back a task that waits on a busy node while another could start it now. `before`: how
/// many this pass has taken back already; each has one of the free nodes to go to.
pub(super) fn recall(state: &State, room: &Room, before: usize) -> Option<Fact> {
    state.offers.most_free()?;
    let longest = state.offers.runways().rev().take_while(|(waiting, _)| *waiting > 0);
    for (_, id) in longest {
        let waiting = state.nodes[&id].runway.iter().rev();
        let stuck = waiting.copied().find(|task| is_stuck(state, *task));
        let Some(task) = stuck else { continue };
        let job = &state.jobs[&task.job];
        let asked = &job.spec.resources;
        let avoid = job.place(task).map_or(&[][..], |place| avoided(state, job, place));
        let needs = job.spec.abilities();
        let free = state.offers.with_free(asked.cpus);
        let usable = |id: &NodeId| !room.is_spoken_for(*id) && !avoid.contains(id);
        let mut able = free.filter(|id| {
            let node = &state.nodes[id];
            let bound = State::bound(job);
            usable(id)
                && node.free().holds(asked)
                && filter::meets(node, &job.spec.constraints, &needs, job.spec.gang.as_ref())
                && state.reserved(*id, &job.spec.project, state.now, bound).is_none()
        });
        able.nth(before)?;
        let number = state.attempts[&task].number;
        return Some(Fact::AttemptStopping {
            attempt: AttemptId { task, number },
            why: StopReason::Recalled,
            by: Token::SCHEDULER.into(),
            reason: "another node is free".into(),
        });
    }
    None
}

fn is_stuck(state: &State, task: TaskId) -> bool {
    let attempt = &state.attempts[&task];
    attempt.phase == Phase::Placed && state.now.since(attempt.placed) >= RECALL_AFTER
}
