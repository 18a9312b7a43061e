//! Jobs, tasks and nodes as people see them.

use prost::Message as _;
use repower_core::life::attempt::Phase;
use repower_core::refusal::Refusal;
use repower_core::state::{Attempt, Job, Node, State};
use repower_model::{
    Array, AttemptId, Fault, JobId, JobState, NodePhase, Outcome, Sequel, Span, TaskId, TaskState,
};
use repower_proto::convert::moment_ms;
use repower_proto::v1;
use repower_store::journal::ReadError;
use repower_store::rows::{AttemptRow, JobRow, RankRow};
use repower_store::sqlite::Reader;

use crate::claims;
use crate::clock;
use crate::problem::Problem;
use crate::shared::Shared;

/// A job that has not ended.
pub(super) fn live(shared: &Shared, state: &State, job: &Job) -> v1::JobSummary {
    let (reason_code, reason) = shared.reasons.of(state, job, clock::now());
    v1::JobSummary {
        id: job.id.0,
        name: job.spec.name.clone(),
        job_class: job.spec.class.clone(),
        project: job.spec.project.clone(),
        submitter: job.submitter.clone(),
        state: v1::JobState::from(job.state()).into(),
        reason_code,
        reason,
        tasks: job.count(),
        running: job.live,
        succeeded: job.succeeded,
        failed: job.failed.len(),
        cancelled: job.cancelled.len(),
        priority: job.spec.priority,
        submitted_ms: job.submitted.as_millis(),
        started_ms: moment_ms(job.started),
        ended_ms: 0,
        exit_code: job.exit_code,
        progress: only(job).and_then(|task| progress(shared, state, task)),
        failure: String::new(),
    }
}

/// The only task of a job, if it has one only.
pub(super) fn only(job: &Job) -> Option<TaskId> {
    (job.count() == 1).then(|| job.task(0))
}

/// What a task that is on a node says of its progress.
pub(super) fn progress(
    shared: &Shared,
    state: &State,
    task: TaskId,
) -> Option<v1::ClaimedProgress> {
    let (rank, progress) = shared.claims.of_attempt(task, state.attempts.get(&task)?)?;
    Some(claims::told(rank, &progress, true))
}

/// A job that has left memory.
pub(super) fn past(row: JobRow) -> v1::JobSummary {
    v1::JobSummary {
        id: row.id.0,
        name: row.name,
        job_class: row.class,
        project: row.project,
        submitter: row.submitter,
        state: v1::JobState::from(row.state).into(),
        reason_code: String::new(),
        reason: String::new(),
        tasks: row.tasks,
        running: 0,
        succeeded: row.succeeded,
        failed: row.failed,
        cancelled: row.cancelled,
        priority: i32::try_from(row.priority).unwrap_or_default(),
        submitted_ms: row.submitted.as_millis(),
        started_ms: moment_ms(row.started),
        ended_ms: moment_ms(row.ended),
        exit_code: row.exit_code.unwrap_or_default(),
        progress: None,
        failure: String::new(),
    }
}

/// What the first failure of a job that has ended came to, where that says more than its exit code; empty where it does not.
pub(super) fn failure(history: &Reader, row: &JobRow) -> Result<String, ReadError> {
    // Nothing is looked for that the code rules out.
    if row.state != JobState::Failed || row.exit_code != Some(Outcome::OutOfMemory.exit_code()) {
        return Ok(String::new());
    }
    let is_it = history.ran_out_of_memory(row.id)?;
    Ok(if is_it { "out of memory".to_owned() } else { String::new() })
}

/// A job that has not ended, by its id.
pub(super) fn live_by_id(shared: &Shared, job: JobId) -> Option<v1::JobSummary> {
    let state = shared.published.read();
    let job = state.job(job)?;
    Some(live(shared, &state, job))
}

/// A job, wherever it is now.
pub(super) async fn of(shared: &Shared, job: JobId) -> Result<v1::JobSummary, Problem> {
    if let Some(summary) = live_by_id(shared, job) {
        return Ok(summary);
    }
    let row = row(shared, job).await?;
    let known = row.clone();
    let failure = shared.past(move |history| failure(history, &known)).await?;
    Ok(v1::JobSummary { failure, ..past(row) })
}

/// The row of a job in the history.
pub(super) async fn row(shared: &Shared, job: JobId) -> Result<JobRow, Problem> {
    let row = shared.past(move |history| history.job(job)).await?;
    row.ok_or_else(|| unknown(job))
}

/// Refuses a task that a job in the history does not have.
pub(super) fn check_task(row: &JobRow, index: u32) -> Result<(), Problem> {
    let spec = v1::JobSpec::decode(row.spec.as_slice());
    let array = spec.ok().and_then(|spec| spec.array.map(Array::try_from).transpose().ok());
    // What cannot be read says nothing about its tasks.
    let is_there =
        array.is_none_or(|array| array.unwrap_or_else(Array::single).place(index).is_some());
    if is_there { Ok(()) } else { Err(Refusal::TaskUnknown { job: row.id, index }.into()) }
}

pub(super) fn unknown(job: JobId) -> Problem {
    Refusal::JobUnknown { job }.into()
}

/// An attempt, as the history has it; `state` knows more of one that goes on.
pub(super) fn attempt(row: AttemptRow, state: &State) -> v1::TaskSummary {
    let AttemptId { task, number } = row.placed.id;
    let live = state.attempts.get(&task).filter(|live| live.number == number);
    let ended = row.ended.as_ref();
    let phase = match ended {
        Some(ended) => after(ended.sequel, ended.fault),
        None => live.map_or(TaskState::Placed, |live| now(state, live)),
    };
    v1::TaskSummary {
        job: task.job.0,
        index: task.index,
        state: v1::TaskState::from(phase).into(),
        attempt: number,
        node: row.placed.node_name,
        placed_ms: row.placed.placed.as_millis(),
        started_ms: moment_ms(row.started),
        ended_ms: ended.map_or(0, |ended| ended.ended.as_millis()),
        outcome: ended.map(|ended| (&ended.outcome).into()),
        usage: ended.map(|ended| ended.usage.into()),
        ranks: Vec::new(),
        steps: Vec::new(),
        checkpoint: None,
        progress: None,
    }
}

/// A rank of a gang, as the history has it; `stopping` if what is left of its attempt was told to end.
pub(super) fn rank(row: RankRow, stopping: bool) -> v1::RankSummary {
    let ended = row.ended.as_ref();
    let state = match (ended.map(|ended| &ended.outcome), row.started) {
        (Some(outcome), _) => ended_as(outcome),
        (None, _) if stopping => TaskState::Stopping,
        (None, Some(_)) => TaskState::Running,
        (None, None) => TaskState::Placed,
    };
    v1::RankSummary {
        rank: row.id.rank,
        node: row.node_name,
        state: v1::TaskState::from(state).into(),
        started_ms: moment_ms(row.started),
        ended_ms: ended.map_or(0, |ended| ended.ended.as_millis()),
        outcome: ended.map(|ended| (&ended.outcome).into()),
        usage: ended.map(|ended| ended.usage.into()),
    }
}

fn ended_as(outcome: &Outcome) -> TaskState {
    match outcome {
        Outcome::Exited { code: 0 } => TaskState::Succeeded,
        Outcome::Cancelled
        | Outcome::Recalled
        | Outcome::Preempted
        | Outcome::Drained
        | Outcome::Checkpointed { .. } => TaskState::Cancelled,
        Outcome::Exited { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::NotStarted { .. }
        | Outcome::Lost { .. }
        | Outcome::Finding { .. }
        | Outcome::OutOfMemory => TaskState::Failed,
    }
}

/// An attempt that is on a node.
pub(super) fn on_node(
    state: &State,
    task: TaskId,
    attempt: &Attempt,
    node: &Node,
) -> v1::TaskSummary {
    v1::TaskSummary {
        job: task.job.0,
        index: task.index,
        state: v1::TaskState::from(now(state, attempt)).into(),
        attempt: attempt.number,
        node: node.name.clone(),
        placed_ms: attempt.placed.as_millis(),
        started_ms: moment_ms(attempt.started),
        ended_ms: 0,
        outcome: None,
        usage: None,
        ranks: Vec::new(),
        steps: Vec::new(),
        checkpoint: None,
        progress: None,
    }
}

/// Where an attempt is that has not ended, as far as anybody knows.
fn now(state: &State, attempt: &Attempt) -> TaskState {
    match attempt.out_of_touch(state) {
        Some(_) => TaskState::OutOfTouch,
        None => at(attempt.phase),
    }
}

/// How a task whose attempt is so far is shown.
pub(super) fn at(phase: Phase) -> TaskState {
    match phase {
        Phase::Placed | Phase::Recalled => TaskState::Placed,
        Phase::Running => TaskState::Running,
        Phase::Ending | Phase::Preempting | Phase::Draining | Phase::Cancelling => {
            TaskState::Stopping
        }
    }
}

/// What an attempt that has ended was to its task. One that is tried again has failed, unless
/// nobody was to blame.
fn after(sequel: Sequel, fault: Fault) -> TaskState {
    match (sequel, fault) {
        (Sequel::Succeeded, _) => TaskState::Succeeded,
        (Sequel::Failed, _) | (Sequel::Again, Fault::User | Fault::System) => TaskState::Failed,
        (Sequel::Cancelled, _) | (Sequel::Again, Fault::None) => TaskState::Cancelled,
    }
}

/// A node.
pub(super) fn node(shared: &Shared, node: &Node, connected: bool) -> v1::NodeSummary {
    let drained = node.drained.as_ref().map(|(by, reason)| format!("{reason} (by {by})"));
    let is_up = node.phase == NodePhase::Up;
    let silence = if is_up { shared.silence(node.id) } else { None };
    let silent = silence.map(|silence| format!("nothing heard for {silence}"));
    let reasons = [drained, node.held_back.clone(), silent];
    let reason: Vec<_> = reasons.into_iter().flatten().collect();
    v1::NodeSummary {
        id: node.id.0,
        name: node.name.clone(),
        phase: v1::NodePhase::from(node.phase).into(),
        drained: node.drained.is_some(),
        held_back: node.held_back.is_some(),
        reason: reason.join("; "),
        capacity: Some(node.capacity().into()),
        used: Some((&node.used).into()),
        running: u32::try_from(node.holding.len()).unwrap_or(u32::MAX),
        waiting: u32::try_from(node.runway.len()).unwrap_or(u32::MAX),
        inventory: Some((&node.inventory).into()),
        since_ms: node.since.as_millis(),
        connected,
        silent_ms: silence.map_or(0, |silence| silence.as_millis().max(1)),
        heard_ms_ago: shared.last_heard(node.id).map(Span::as_millis),
    }
}
