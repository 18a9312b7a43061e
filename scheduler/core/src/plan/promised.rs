//! Starting what has a place promised, as soon as what stops there has ended.

use repower_model::{AttemptId, TaskId};

use super::room::Place;
use crate::fact::Fact;
use crate::state::{Promise, State};

/// The first task behind one whose promised place is free, and the fact that it starts there.
pub(super) fn next(state: &State, behind: Option<TaskId>) -> Option<(TaskId, Fact)> {
    let mut promises = state.promises.behind(behind);
    promises.find_map(|(task, promise)| Some((task, start(state, task, promise)?)))
}

fn start(state: &State, task: TaskId, promise: &Promise) -> Option<Fact> {
    let job = &state.jobs[&task.job];
    if !job.findings.is_empty() {
        // Somebody has to look at another task of it first.
        return None;
    }
    let bound = State::bound(job);
    let is_free = promise.parts.iter().all(|part| {
        let node = &state.nodes[&part.node];
        node.takes_work()
            && node.runway.is_empty()
            && node.free().holds(&state.promised(task, part.node))
            && state.reserved(part.node, &job.spec.project, state.now, bound).is_none()
    });
    let place = if job.spec.gang.is_some() {
        Place::of_gang(promise.parts.clone(), 0)
    } else {
        promise.parts.first().map(|part| Place::one(part.node, 0))
    };
    let number = job.next_number(job.place(task)?);
    let place = place.filter(|_| is_free)?;
    Some(Fact::AttemptPlaced {
        attempt: AttemptId { task, number },
        node: place.node,
        runway: false,
        alternative: place.choice,
        parts: place.parts,
    })
}

/// On which of its nodes what stops for a task has not ended, and the last of what does there.
pub(super) fn waits_for(state: &State, promise: &Promise) -> Option<TaskId> {
    let on = promise.parts.iter().filter_map(|part| state.nodes.get(&part.node));
    let stopping = on.flat_map(|node| node.holding.iter().copied());
    let stopping = stopping.filter(|task| state.attempts[task].phase.is_stopping());
    stopping.max_by_key(|task| (state.attempts[task].until, *task))
}
