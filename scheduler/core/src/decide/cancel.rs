//! Cancelling jobs and tasks.

use repower_model::{
    Array, ArrayError, AttemptId, IndexRange, Indices, JobId, NodeId, NodePhase, RankId,
    StopReason, TaskId,
};

use super::each::cancel_tasks;
use super::link::lose;
use super::owner::{self, Asker};
use super::settle::settle;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::life::attempt::{self, Event};
use crate::refusal::Refusal;
use crate::state::Job;

pub(crate) fn cancel(
    draft: &mut Draft<'_>,
    id: JobId,
    tasks: Option<&[IndexRange]>,
    asker: Asker<'_>,
    reason: &str,
) -> Result<Answer, Refusal> {
    let Some(job) = draft.state().job(id) else {
        let was = draft.state().was_submitted(id);
        return Err(if was {
            Refusal::JobHasEnded { job: id }
        } else {
            Refusal::JobUnknown { job: id }
        });
    };
    owner::may(id, &job.submitter, asker)?;
    let (by, _) = asker;
    let pending = match tasks {
        None => job.pending.clone(),
        Some(ranges) => pending_of(job, ranges)?,
    };
    let stopping = running_of(draft, id, tasks);
    let count = pending.len();
    let mut touched = cancel_tasks(draft, id, &pending, by, reason.to_owned());
    for attempt in &stopping {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        draft.push(Fact::AttemptStopping {
            attempt: *attempt,
            why: StopReason::Cancelled,
            by,
            reason,
        });
    }
    touched.push(id);
    settle(draft, touched);
    let out_of_touch = absent(draft, id, tasks).len() as u64;
    let stopping = stopping.len() as u64;
    Ok(Answer::Cancelled { pending: count, stopping, out_of_touch, given_up: 0 })
}

/// Cancels, and ends in the books what is on nodes out of touch: nobody knows whether it still runs.
pub(crate) fn give_up(
    draft: &mut Draft<'_>,
    id: JobId,
    tasks: Option<&[IndexRange]>,
    asker: Asker<'_>,
    reason: &str,
) -> Result<Answer, Refusal> {
    let absent = match draft.state().job(id) {
        Some(_) => absent(draft, id, tasks),
        None => Vec::new(),
    };
    let Answer::Cancelled { pending, stopping, .. } = cancel(draft, id, tasks, asker, reason)?
    else {
        return Ok(Answer::Done);
    };
    let (by, _) = asker;
    for (rank, node) in &absent {
        let node = &draft.state().nodes[node].name;
        let detail = format!(
            "given up by {by} while its node {node} was out of touch, where it may still run"
        );
        lose(draft, *rank, &detail);
    }
    let given_up = absent.len() as u64;
    Ok(Answer::Cancelled { pending, stopping, out_of_touch: given_up, given_up })
}

/// The processes of the named tasks that are on nodes out of touch.
fn absent(draft: &Draft<'_>, job: JobId, tasks: Option<&[IndexRange]>) -> Vec<(RankId, NodeId)> {
    let state = draft.state();
    let all = TaskId { job, index: 0 }..=TaskId { job, index: u32::MAX };
    let live = state.attempts.range(all).filter(|(task, _)| is_named(tasks, task.index));
    let ranks = live.flat_map(|(task, one)| {
        let id = AttemptId { task: *task, number: one.number };
        one.left().into_iter().map(move |(rank, node)| (id.rank(rank), node))
    });
    ranks.filter(|(_, node)| state.nodes[node].phase != NodePhase::Up).collect()
}

fn is_named(tasks: Option<&[IndexRange]>, index: u32) -> bool {
    tasks.is_none_or(|ranges| {
        ranges.iter().any(|range| {
            (range.first..=range.last).contains(&index)
                && (index - range.first).is_multiple_of(range.step.max(1))
        })
    })
}

/// Which of the named tasks are pending.
fn pending_of(job: &Job, ranges: &[IndexRange]) -> Result<Indices, Refusal> {
    let asked = ranges.len();
    if asked > Array::MOST_RANGES {
        let most = Array::MOST_RANGES;
        return Err(Refusal::BadArray(ArrayError::TooManyRanges { asked, most }));
    }
    let (mut named, mut count) = (Vec::new(), 0_u64);
    for range in ranges {
        range.check().map_err(Refusal::BadArray)?;
        count += range.count();
        if count > Array::MOST {
            let too_many = ArrayError::TooMany { asked: count, most: Array::MOST };
            return Err(Refusal::BadArray(too_many));
        }
        let IndexRange { first, last, step } = *range;
        let mut indices = (first..=last).step_by(step as usize);
        let unknown = |index: &u32| job.spec.array.place(*index).is_none();
        if let Some(index) = indices.find(unknown) {
            return Err(Refusal::TaskUnknown { job: job.id, index });
        }
        named.extend(job.spec.array.places(*range));
    }
    named.sort_unstable();
    named.dedup_by(|later: &mut (u32, u32), earlier| {
        let overlap = later.0 <= earlier.1;
        if overlap {
            earlier.1 = earlier.1.max(later.1);
        }
        overlap
    });
    Ok(job.pending.within(&named))
}

/// The attempts of the named tasks that are on nodes and were not told to end yet.
fn running_of(draft: &Draft<'_>, job: JobId, tasks: Option<&[IndexRange]>) -> Vec<AttemptId> {
    let all = TaskId { job, index: 0 }..=TaskId { job, index: u32::MAX };
    let live = draft.state().attempts.range(all);
    live.filter(|(task, one)| {
        is_named(tasks, task.index) && attempt::after(one.phase, Event::Cancel).is_some()
    })
    .map(|(task, one)| AttemptId { task: *task, number: one.number })
    .collect()
}
