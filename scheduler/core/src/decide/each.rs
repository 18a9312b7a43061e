//! Dependencies task by task: what comes of tasks whose counterparts end otherwise than asked.

use repower_model::{Indices, JobId, JobState};

use crate::draft::Draft;
use crate::fact::Fact;
use crate::state::Token;

/// Cancels pending tasks of a job, and all that depends on their success, task by task. Returns
/// the other jobs that lost some; they may have nothing left to do.
pub(crate) fn cancel_tasks(
    draft: &mut Draft<'_>,
    id: JobId,
    places: &Indices,
    by: &str,
    reason: String,
) -> Vec<JobId> {
    let Some(job) = draft.state().job(id).filter(|_| !places.is_empty()) else {
        return Vec::new();
    };
    let tasks = job.indices_of(places);
    draft.push(Fact::TasksCancelled { job: id, tasks, by: by.to_owned(), reason });
    follow(draft, id, places.clone(), JobState::Cancelled)
}

/// Tasks have ended for good: cancels those that depend on another end of theirs, task by task, and
/// what depends on these. Returns the jobs that lost some.
///
/// Dependencies only point to jobs that were there before, so this comes to an end.
pub(crate) fn follow(
    draft: &mut Draft<'_>,
    on: JobId,
    places: Indices,
    ended: JobState,
) -> Vec<JobId> {
    let mut touched = Vec::new();
    let mut left = vec![(on, places, ended)];
    while let Some((on, places, ended)) = left.pop() {
        let places: Vec<_> = places.intervals().collect();
        for id in draft.state().dependents.of(on) {
            let Some(job) = draft.state().job(id) else { continue };
            let mut lost = Indices::default();
            for (dependency, open) in &job.open {
                if dependency.job == on && !dependency.kind.is_met_by(ended) {
                    lost.add(&open.within(&places));
                }
            }
            if lost.is_empty() {
                continue;
            }
            let tasks = job.indices_of(&lost);
            let reason = format!("each task depends on that of job {on}, which has {ended}");
            draft.push(Fact::TasksCancelled {
                job: id,
                tasks,
                by: Token::SCHEDULER.into(),
                reason,
            });
            touched.push(id);
            left.push((id, lost, JobState::Cancelled));
        }
    }
    touched
}
