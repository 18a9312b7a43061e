//! What follows when a job has nothing left to do: it ends, and those that waited for it go on.

use repower_model::{JobId, JobState};

use crate::draft::Draft;
use crate::fact::Fact;

/// Ends a job that has nothing left to do, settles those that waited for it, and so on.
pub(crate) fn settle(draft: &mut Draft<'_>, job: JobId) {
    let mut left = vec![job];
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
            cancelled: job.cancelled,
            exit_code: exit_code(state, job.exit_code),
        };
        let waiting = draft.state().dependents.of(id);
        draft.push(ended);
        for dependent in waiting {
            if release(draft, dependent, id, state) {
                left.push(dependent);
            }
        }
    }
}

/// Tells a job how one that it waited for has ended. Returns whether that was the end of it too.
fn release(draft: &mut Draft<'_>, job: JobId, on: JobId, ended: JobState) -> bool {
    let Some(waiting) = draft.state().job(job) else {
        return false;
    };
    let wanted: Vec<_> = waiting.waits_for.iter().filter(|one| one.job == on).collect();
    let met = wanted.iter().all(|dependency| dependency.kind.is_met_by(ended));
    let tasks = waiting.indices_of(&waiting.pending);
    draft.push(Fact::DependencySettled { job, on, met });
    if !met {
        let reason = format!("it depends on job {on}, which has {ended}");
        draft.push(Fact::TasksCancelled { job, tasks, by: "scheduler".into(), reason });
    }
    !met
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
