//! Tasks, their attempts and their output as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use repower_proto::v1;
use serde::Serialize;

use super::claimed::Claimed;
use super::{Remark, hex, text};
use crate::render::{time, words};

/// How an attempt ended.
#[derive(Debug, Serialize)]
pub struct Outcome {
    kind: &'static str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    detail: Option<String>,
}

/// What an attempt used.
#[derive(Debug, Serialize)]
pub struct Usage {
    wall_us: u64,
    cpu_us: u64,
    peak_memory_bytes: u64,
    stdout_bytes: u64,
    stderr_bytes: u64,
    truncated: bool,
}

/// A task and one of its attempts.
#[derive(Debug, Serialize)]
pub struct Task {
    job: u64,
    index: u32,
    attempt: Option<u32>,
    state: &'static str,
    node: Option<String>,
    placed_at: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    outcome: Option<Outcome>,
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranks: Vec<Rank>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Checkpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
}

/// What an attempt has saved for the next one.
#[derive(Debug, Serialize)]
struct Checkpoint {
    /// Null: it could not be brought to the store.
    sha256: Option<String>,
    bytes: Option<u64>,
    problem: Option<String>,
    needed: bool,
}

/// A signal that ended an attempt which was stopped.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "how far the stop is, is its step")]
struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
    step: &'static str,
    cause: &'static str,
    signal: i32,
    taken_at: Option<String>,
}

/// A rank of a gang.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the number of a rank is its rank")]
pub(super) struct Rank {
    rank: u32,
    state: &'static str,
    node: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    outcome: Option<Outcome>,
    usage: Option<Usage>,
}

/// Several attempts.
#[derive(Debug, Serialize)]
pub struct Tasks {
    attempts: Vec<Task>,
    more: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Remark>,
}

/// A piece of output; one line of JSON each.
#[derive(Debug, Serialize)]
pub struct Log<'a> {
    job: u64,
    index: u32,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
    stream: &'static str,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    missing: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<&v1::Outcome> for Outcome {
    fn from(outcome: &v1::Outcome) -> Self {
        let kind = outcome.kind();
        Self {
            kind: words::outcome_kind(kind),
            exit_code: matches!(kind, v1::OutcomeKind::Exited | v1::OutcomeKind::Checkpointed)
                .then_some(outcome.exit_code),
            signal: (kind == v1::OutcomeKind::Signalled).then_some(outcome.signal),
            detail: text(&outcome.detail),
        }
    }
}

impl From<&v1::Usage> for Usage {
    fn from(usage: &v1::Usage) -> Self {
        Self {
            wall_us: usage.wall_us,
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
            stdout_bytes: usage.stdout_bytes,
            stderr_bytes: usage.stderr_bytes,
            truncated: usage.truncated,
        }
    }
}

impl From<&v1::TaskSummary> for Task {
    fn from(task: &v1::TaskSummary) -> Self {
        Self {
            job: task.job,
            index: task.index,
            attempt: (task.attempt != 0).then_some(task.attempt),
            state: words::task_state(task.state()),
            node: text(&task.node),
            placed_at: time::rfc3339(task.placed_ms),
            started_at: time::rfc3339(task.started_ms),
            ended_at: time::rfc3339(task.ended_ms),
            outcome: task.outcome.as_ref().map(Outcome::from),
            usage: task.usage.as_ref().map(Usage::from),
            ranks: task.ranks.iter().map(Rank::from).collect(),
            steps: task.steps.iter().map(|step| Step::of(task, step)).collect(),
            checkpoint: task.checkpoint.as_ref().map(Checkpoint::from),
            claimed: task.progress.as_ref().map(Claimed::from),
        }
    }
}

impl From<&v1::CheckpointSummary> for Checkpoint {
    fn from(checkpoint: &v1::CheckpointSummary) -> Self {
        let stored = checkpoint.stored.as_ref();
        Self {
            sha256: stored.map(|stored| hex(&stored.digest)),
            bytes: stored.map(|stored| stored.bytes),
            problem: text(&checkpoint.problem),
            needed: checkpoint.needed,
        }
    }
}

impl Step {
    fn of(task: &v1::TaskSummary, step: &v1::StepSummary) -> Self {
        Self {
            rank: (!task.ranks.is_empty()).then_some(step.rank),
            step: words::stop_step(step.step()),
            cause: words::stop_cause(step.cause()),
            signal: step.signal,
            taken_at: time::rfc3339(step.taken_ms),
        }
    }
}

impl From<&v1::RankSummary> for Rank {
    fn from(rank: &v1::RankSummary) -> Self {
        Self {
            rank: rank.rank,
            state: words::task_state(rank.state()),
            node: rank.node.clone(),
            started_at: time::rfc3339(rank.started_ms),
            ended_at: time::rfc3339(rank.ended_ms),
            outcome: rank.outcome.as_ref().map(Outcome::from),
            usage: rank.usage.as_ref().map(Usage::from),
        }
    }
}

impl From<&v1::AttemptsReply> for Tasks {
    fn from(reply: &v1::AttemptsReply) -> Self {
        Self {
            attempts: reply.attempts.iter().map(Task::from).collect(),
            more: reply.more,
            remarks: reply.remarks.iter().map(Remark::from).collect(),
        }
    }
}

impl<'a> Log<'a> {
    /// A piece of a job's output; bytes that are not UTF-8 are given as Base64.
    pub fn new(job: u64, chunk: &'a v1::LogChunk) -> Self {
        let text = std::str::from_utf8(&chunk.data).ok();
        Self {
            job,
            index: chunk.index,
            attempt: chunk.attempt,
            rank: chunk.rank,
            stream: words::stream(chunk.stream()),
            offset: chunk.offset,
            text,
            base64: text.is_none().then(|| STANDARD.encode(&chunk.data)),
            missing: chunk.missing,
            truncated: chunk.truncated,
            removed: chunk.removed,
        }
    }
}
