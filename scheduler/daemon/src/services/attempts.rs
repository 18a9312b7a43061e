//! The attempts of a job.

use repower_core::refusal::Refusal;
use repower_model::{AttemptId, Gang, JobId, RankId, TaskId};
use repower_proto::v1;
use repower_store::sqlite::AttemptFilter;
use tonic::Status;

use super::{remarks, summary};
use crate::claims;
use crate::problem::Problem;
use crate::shared::Shared;

/// The most attempts of one answer.
const MOST: usize = 10_000;

/// The most ranks of one answer: those of the largest gang.
const RANKS: usize = Gang::MOST as usize;

/// Attempts of a job's tasks, by index and number.
pub(super) async fn attempts(
    shared: &Shared,
    request: v1::AttemptsRequest,
) -> Result<v1::AttemptsReply, Status> {
    let job = JobId(request.job);
    let known = shared.published.read().job(job).map(|job| job.spec.array.clone());
    match (known, request.index) {
        (Some(array), Some(index)) if array.place(index).is_none() => {
            return Err(Problem::from(Refusal::TaskUnknown { job, index }).into());
        }
        (Some(_), _) => {}
        (None, index) => {
            let row = summary::row(shared, job).await?;
            if let Some(index) = index {
                summary::check_task(&row, index)?;
            }
        }
    }
    let limit = match request.limit as usize {
        0 => 1000,
        limit => limit.min(MOST),
    };
    let filter = AttemptFilter {
        first_task: request.index.unwrap_or(0),
        last_task: request.index.unwrap_or(u32::MAX),
        failed_only: request.failed,
        limit: limit + 1,
        offset: request.offset as usize,
    };
    let mut rows = shared.past(move |history| history.attempts(job, &filter)).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let attempts = {
        let state = shared.published.read();
        rows.into_iter().map(|row| summary::attempt(row, &state)).collect()
    };
    let remarks = remarks::of_job(shared, &shared.published.read(), job, request.index);
    let mut reply = v1::AttemptsReply { attempts, more, remarks };
    if let Some(index) = request.index {
        add_ranks(shared, TaskId { job, index }, &mut reply).await?;
        add_steps(shared, TaskId { job, index }, &mut reply).await?;
    }
    add_checkpoints(shared, job, &mut reply).await?;
    add_progress(shared, job, &mut reply).await?;
    Ok(reply)
}

/// Adds the steps of stops to the attempts of a task: of the latest attempts first, as many as fit.
async fn add_steps(
    shared: &Shared,
    task: TaskId,
    reply: &mut v1::AttemptsReply,
) -> Result<(), Status> {
    let steps = shared.past(move |history| history.latest_steps(task, RANKS)).await?;
    for row in steps {
        let number = row.id.attempt.number;
        if let Some(attempt) = reply.attempts.iter_mut().find(|one| one.attempt == number) {
            attempt.steps.push(v1::StepSummary {
                rank: row.id.rank,
                step: v1::StopStep::from(row.step).into(),
                cause: v1::StopCause::from(row.cause).into(),
                signal: row.signal,
                taken_ms: row.taken.as_millis(),
            });
        }
    }
    Ok(())
}

/// Adds the ranks of a gang to its attempts: of the latest attempts first, as many as fit.
async fn add_ranks(
    shared: &Shared,
    task: TaskId,
    reply: &mut v1::AttemptsReply,
) -> Result<(), Status> {
    let ranks = shared.past(move |history| history.latest_ranks(task, RANKS)).await?;
    for row in ranks {
        let number = row.id.attempt.number;
        if let Some(attempt) = reply.attempts.iter_mut().find(|one| one.attempt == number) {
            let stopping = attempt.state() == v1::TaskState::Stopping;
            attempt.ranks.push(summary::rank(row, stopping));
        }
    }
    Ok(())
}

/// The first and the last task of which there are attempts.
fn tasks(reply: &v1::AttemptsReply) -> Option<(u32, u32)> {
    let indices = || reply.attempts.iter().map(|attempt| attempt.index);
    indices().min().zip(indices().max())
}

/// The attempt of this number.
fn summary_of(reply: &mut v1::AttemptsReply, id: AttemptId) -> Option<&mut v1::TaskSummary> {
    let is_it = |one: &&mut v1::TaskSummary| (one.index, one.attempt) == (id.task.index, id.number);
    reply.attempts.iter_mut().find(is_it)
}

/// Adds what attempts say of their progress, or have said last.
async fn add_progress(
    shared: &Shared,
    job: JobId,
    reply: &mut v1::AttemptsReply,
) -> Result<(), Status> {
    let Some(tasks) = tasks(reply) else { return Ok(()) };
    let rows = shared.past(move |history| history.claims(job, tasks, MOST)).await?;
    for row in rows {
        let RankId { attempt, rank } = row.id;
        if let Some(attempt) = summary_of(reply, attempt) {
            attempt.progress.get_or_insert_with(|| claims::told(rank, &row.progress, false));
        }
    }
    let state = shared.published.read();
    for attempt in reply.attempts.iter_mut().filter(|one| one.ended_ms == 0) {
        let task = TaskId { job, index: attempt.index };
        if state.attempts.get(&task).is_some_and(|live| live.number == attempt.attempt) {
            let live = summary::progress(shared, &state, task);
            attempt.progress = live.or(attempt.progress.take());
        }
    }
    Ok(())
}

/// Adds what attempts have saved for the next ones.
async fn add_checkpoints(
    shared: &Shared,
    job: JobId,
    reply: &mut v1::AttemptsReply,
) -> Result<(), Status> {
    let Some(tasks) = tasks(reply) else { return Ok(()) };
    let rows = shared.past(move |history| history.checkpoints(job, tasks, MOST)).await?;
    for row in rows {
        if let Some(attempt) = summary_of(reply, row.id) {
            let (stored, problem) = match row.kept {
                Ok(stored) => (Some(stored.into()), String::new()),
                Err(problem) => (None, problem),
            };
            attempt.checkpoint =
                Some(v1::CheckpointSummary { stored, problem, needed: row.needed });
        }
    }
    Ok(())
}
