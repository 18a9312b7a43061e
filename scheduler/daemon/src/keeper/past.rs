//! What a submission needs to know of jobs that have left memory.

use repower_core::effect::Answer;
use repower_core::input::{Input, Submit};
use repower_core::state::State;
use repower_model::{JobId, JobState};
use repower_store::journal::ReadError;
use repower_store::sqlite::Reader;

use super::batch::Batch;
use crate::problem::Problem;

/// Adds to a submission what has left memory; returns the answer if it is there already.
pub(super) fn prepare(
    input: &mut Input,
    state: &State,
    history: &Reader,
    batch: &Batch,
) -> Option<Result<Answer, Problem>> {
    let Input::Submit(submit) = input else { return None };
    if state.job_by_key(&submit.key).is_some() {
        return None;
    }
    match look_up(submit, state, history, batch) {
        Ok(known) => known.map(Ok),
        Err(error) => Some(Err(error.into())),
    }
}

fn look_up(
    submit: &mut Submit,
    state: &State,
    history: &Reader,
    batch: &Batch,
) -> Result<Option<Answer>, ReadError> {
    if let Some((job, tasks)) = batch.submitted.get(&submit.key).copied() {
        return Ok(Some(Answer::Job { job, created: false, tasks, hold: None }));
    }
    if let Some(row) = history.job_by_key(submit.key)? {
        let (job, tasks) = (row.id, row.tasks);
        return Ok(Some(Answer::Job { job, created: false, tasks, hold: None }));
    }
    for dependency in &submit.spec.dependencies {
        if state.job(dependency.job).is_none()
            && let Some(end) = end_of(dependency.job, history, batch)?
        {
            submit.past.push((dependency.job, end));
        }
    }
    Ok(None)
}

/// How a job ended that has left memory.
fn end_of(job: JobId, history: &Reader, batch: &Batch) -> Result<Option<JobState>, ReadError> {
    if let Some(end) = batch.ended.get(&job) {
        return Ok(Some(*end));
    }
    Ok(history.job(job)?.map(|row| row.state).filter(|state| state.is_end()))
}
