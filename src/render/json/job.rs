//! Jobs as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::claimed::Claimed;
use super::files::Kept;
use super::{Decision, Remark, Spec, Task, text};
use crate::render::{time, words};

/// Why a job waits.
#[derive(Debug, Serialize)]
pub struct Reason {
    code: String,
    text: String,
}

impl Reason {
    fn of(code: &str, words: &str) -> Option<Self> {
        (!code.is_empty()).then(|| Self { code: code.to_owned(), text: words.to_owned() })
    }
}

/// What became of a job's tasks.
#[derive(Debug, Serialize)]
pub struct Tasks {
    total: u64,
    pending: u64,
    running: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

/// One job, as in lists.
#[derive(Debug, Serialize)]
pub struct Job {
    id: u64,
    name: String,
    class: String,
    project: String,
    submitter: String,
    state: &'static str,
    reason: Option<Reason>,
    tasks: Tasks,
    priority: i32,
    submitted_at: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    exit_code: Option<i32>,
    /// What its first failure came to, where that says more than the exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
}

/// Several jobs, newest first.
#[derive(Debug, Serialize)]
pub struct Jobs {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Whether older ones were left out.
    pub more: bool,
}

/// All of one job.
#[derive(Debug, Serialize)]
pub struct JobDetail {
    #[serde(flatten)]
    job: Job,
    tier: String,
    policy_hash: String,
    spec: Option<Spec>,
    /// SHA-256 over what it runs.
    content: Option<String>,
    /// What was found in what it brings along.
    marks: Vec<Mark>,
    estimate: Option<Estimate>,
    failures: Vec<Task>,
    /// Who has cancelled, approved or denied it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Decision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Remark>,
    outputs: Vec<Kept>,
    /// Whether there are more of them than `outputs` has.
    more_outputs: bool,
}

impl JobDetail {
    /// With what was brought back of it.
    #[must_use]
    pub fn with_outputs(self, reply: &v1::OutputsReply) -> Self {
        let outputs = reply.outputs.iter().map(Kept::from).collect();
        Self { outputs, more_outputs: reply.more, ..self }
    }
}

/// Something that was found in what a job brings along.
#[derive(Debug, Serialize)]
struct Mark {
    sign: String,
    place: String,
    detail: String,
}

impl From<&v1::Mark> for Mark {
    fn from(mark: &v1::Mark) -> Self {
        let v1::Mark { sign, place, detail } = mark.clone();
        Self { sign, place, detail }
    }
}

/// How long an attempt will take.
#[derive(Debug, Serialize)]
struct Estimate {
    span_ms: u64,
    source: String,
    error_percent: Option<u32>,
}

impl From<&v1::Estimate> for Estimate {
    fn from(estimate: &v1::Estimate) -> Self {
        let v1::Estimate { span_ms, source, error_percent } = estimate.clone();
        Self { span_ms, source, error_percent }
    }
}

/// The answer to a submission.
#[derive(Debug, Serialize)]
pub struct Submitted {
    job: u64,
    created: bool,
    tasks: u64,
    key: String,
    hold: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Job>,
}

/// The answer to a cancellation.
#[derive(Debug, Serialize)]
pub struct Cancelled {
    /// Which job.
    pub job: u64,
    /// Which of its tasks, as ranges; null: all.
    pub tasks: Option<String>,
    /// Tasks that were waiting and now never start.
    pub pending: u64,
    /// Attempts that are being stopped.
    pub stopping: u64,
    /// Those on nodes out of touch, which are stopped when the nodes come back.
    pub out_of_touch: u64,
    /// Of these, the ones that were ended in the books, and may still run.
    pub given_up: u64,
}

/// Returns how many tasks have not started.
pub(crate) fn pending(job: &v1::JobSummary) -> u64 {
    let settled = [job.running, job.succeeded, job.failed, job.cancelled];
    settled.into_iter().fold(job.tasks, u64::saturating_sub)
}

impl From<&v1::JobSummary> for Job {
    fn from(job: &v1::JobSummary) -> Self {
        Self {
            id: job.id,
            name: job.name.clone(),
            class: job.job_class.clone(),
            project: job.project.clone(),
            submitter: job.submitter.clone(),
            state: words::job_state(job.state()),
            reason: Reason::of(&job.reason_code, &job.reason),
            tasks: Tasks {
                total: job.tasks,
                pending: pending(job),
                running: job.running,
                succeeded: job.succeeded,
                failed: job.failed,
                cancelled: job.cancelled,
            },
            priority: job.priority,
            submitted_at: time::rfc3339(job.submitted_ms),
            started_at: time::rfc3339(job.started_ms),
            ended_at: time::rfc3339(job.ended_ms),
            exit_code: words::has_ended(job.state()).then_some(job.exit_code),
            failure: text(&job.failure),
            claimed: job.progress.as_ref().map(Claimed::from),
        }
    }
}

impl From<&v1::ListJobsReply> for Jobs {
    fn from(reply: &v1::ListJobsReply) -> Self {
        Self { jobs: reply.jobs.iter().map(Job::from).collect(), more: reply.more }
    }
}

impl From<&v1::ShowJobReply> for JobDetail {
    fn from(reply: &v1::ShowJobReply) -> Self {
        Self {
            job: Job::from(&reply.summary.clone().unwrap_or_default()),
            tier: reply.tier.clone(),
            policy_hash: reply.policy_hash.clone(),
            spec: reply.spec.as_ref().map(Spec::from),
            content: text(&reply.content),
            marks: reply.marks.iter().map(Mark::from).collect(),
            estimate: reply.estimate.as_ref().map(Estimate::from),
            outputs: Vec::new(),
            more_outputs: false,
            failures: reply.failures.iter().map(Task::from).collect(),
            decisions: reply.decisions.iter().map(Decision::from).collect(),
            remarks: reply.remarks.iter().map(Remark::from).collect(),
        }
    }
}

impl Submitted {
    /// The answer, the key that it was submitted under, and how the job ended if that was waited for.
    pub fn new(reply: &v1::SubmitReply, key: uuid::Uuid, ended: Option<&v1::JobSummary>) -> Self {
        Self {
            job: reply.job,
            created: reply.created,
            tasks: reply.tasks,
            key: key.to_string(),
            hold: Reason::of(&reply.hold_code, &reply.hold),
            ended: ended.map(Job::from),
        }
    }
}

/// Returns the reason of a job in a table's field: the sentence, or the code without one.
pub(crate) fn reason(job: &v1::JobSummary) -> Option<String> {
    text(&job.reason).or_else(|| text(&job.reason_code))
}
