//! Cancelling jobs and tasks.

use repower_model::{Array, ArrayError, AttemptId, IndexRange, Indices, JobId, StopReason, TaskId};

use super::each::cancel_tasks;
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
    by: &str,
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
    Ok(Answer::Cancelled { pending: count, stopping: stopping.len() as u64 })
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
    let named = |index: u32| {
        tasks.is_none_or(|ranges| {
            ranges.iter().any(|range| {
                (range.first..=range.last).contains(&index)
                    && (index - range.first).is_multiple_of(range.step.max(1))
            })
        })
    };
    let all = TaskId { job, index: 0 }..=TaskId { job, index: u32::MAX };
    let live = draft.state().attempts.range(all);
    live.filter(|(task, one)| {
        named(task.index) && attempt::after(one.phase, Event::Cancel).is_some()
    })
    .map(|(task, one)| AttemptId { task: *task, number: one.number })
    .collect()
}
