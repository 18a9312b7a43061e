//! What follows when a job has nothing left to do: it ends, and those that waited for it go on.

use repower_model::{Indices, JobId, JobState};

use super::each::cancel_tasks;
use crate::draft::Draft;
use crate::fact::Fact;
use crate::state::Token;

/// Ends those of some jobs that have nothing left to do, settles those that waited for them, and
/// so on.
pub(crate) fn settle(draft: &mut Draft<'_>, mut left: Vec<JobId>) {
    while let Some(id) = left.pop() {
        let Some(job) = draft.state().job(id).filter(|job| job.is_done()) else {
            continue;
        };
        let state = job.state();
        let ended = Fact::JobEnded {
            job: id,
            state,
            succeeded: job.succeeded,
            failed: job.failed.len(),
            cancelled: job.cancelled.len(),
            exit_code: exit_code(state, job.exit_code),
        };
        let waiting = draft.state().dependents.of(id);
        draft.push(ended);
        for dependent in waiting {
            left.extend(release(draft, dependent, id, state));
        }
    }
}

/// Tells a job how one that it waited for has ended. Returns the jobs that lost tasks by it.
///
/// Task by task, all has been said but of those that failed: they do now for good.
fn release(draft: &mut Draft<'_>, job: JobId, on: JobId, ended: JobState) -> Vec<JobId> {
    let Some(waiting) = draft.state().job(job) else {
        return Vec::new();
    };
    let mut wanted = waiting.waits_for.iter().filter(|one| one.job == on && !one.per_task);
    let whole = wanted.all(|dependency| dependency.kind.is_met_by(ended));
    let mut lost = Indices::default();
    for (dependency, open) in waiting.open.iter().filter(|(one, _)| one.job == on) {
        if !dependency.kind.is_met_by(JobState::Failed) {
            lost.add(open);
        }
    }
    let (lost, reason) = if whole {
        (lost, format!("each task depends on that of job {on}, which has failed"))
    } else {
        (waiting.pending.clone(), format!("it depends on job {on}, which has {ended}"))
    };
    // All its tasks may have been lost one by one before: then nothing is left to lose, but it is
    // no less unmet.
    draft.push(Fact::DependencySettled { job, on, met: whole && lost.is_empty() });
    let mut touched = cancel_tasks(draft, job, &lost, Token::SCHEDULER, reason);
    touched.push(job);
    touched
}

/// What `wait` exits with: that of the first task that failed; 130 if it was cancelled.
fn exit_code(state: JobState, first_failure: i32) -> i32 {
    const CANCELLED: i32 = 130;
    match state {
        JobState::Failed if first_failure == 0 => 1,
        JobState::Failed => first_failure,
        JobState::Cancelled => CANCELLED,
        JobState::Succeeded | JobState::Held | JobState::Pending | JobState::Running => 0,
    }
}
