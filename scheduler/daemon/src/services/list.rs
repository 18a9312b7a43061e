//! Listing and showing jobs.

use std::collections::BTreeMap;

use prost::Message as _;
use repower_core::policy::content_of;
use repower_core::state::{Job, State};
use repower_model::{JobId, JobSpec, JobState};
use repower_proto::{convert, v1};
use repower_store::journal::ReadError;
use repower_store::rows::Verdict;
use repower_store::sqlite::{AttemptFilter, JobFilter};
use tonic::Status;

use super::{remarks, summary};
use crate::problem::Problem;
use crate::shared::Shared;

/// The most jobs of one answer.
const MOST: usize = 10_000;
/// How many examples of failures are shown.
const FAILURES: usize = 10;
/// How many decisions about a job are shown.
const DECISIONS: usize = 20;

struct Wanted {
    states: Vec<JobState>,
    filter: JobFilter,
}

/// Lists jobs, newest first: what lives from memory, what has ended from the history.
pub(super) async fn list(
    shared: &Shared,
    request: v1::ListJobsRequest,
) -> Result<v1::ListJobsReply, Status> {
    let wanted = wanted(&request)?;
    let limit = wanted.filter.limit;
    let mut found: BTreeMap<u64, v1::JobSummary> = {
        let state = shared.published.read();
        let live = state.jobs.values().rev().filter(|job| wanted.has(job)).take(limit + 1);
        live.map(|job| (job.id.0, summary::live(shared, &state, job))).collect()
    };
    let ended: Vec<_> = wanted.states.iter().copied().filter(|state| state.is_end()).collect();
    if !ended.is_empty() {
        let filter = JobFilter { states: ended, limit: limit + 1, ..wanted.filter };
        let rows = shared
            .past(move |history| {
                let rows = history.jobs(&filter)?;
                let told = rows.into_iter().map(|row| {
                    let failure = summary::failure(history, &row)?;
                    Ok(v1::JobSummary { failure, ..summary::past(row) })
                });
                told.collect::<Result<Vec<_>, ReadError>>()
            })
            .await?;
        // A job that ended between the two looks is in both; the later one counts.
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    let more = found.len() > limit;
    let jobs = found.into_values().rev().take(limit).collect();
    Ok(v1::ListJobsReply { jobs, more })
}

fn wanted(request: &v1::ListJobsRequest) -> Result<Wanted, Problem> {
    let live = [JobState::Held, JobState::Pending, JobState::Running];
    let ends = [JobState::Succeeded, JobState::Failed, JobState::Cancelled];
    let states: Vec<JobState> = if request.all {
        live.into_iter().chain(ends).collect()
    } else if request.states.is_empty() {
        live.to_vec()
    } else {
        let named = request
            .states
            .iter()
            .map(|state| JobState::try_from(convert::known::<v1::JobState>("states", *state)?));
        named.collect::<Result<_, _>>()?
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let filter = JobFilter {
        states: Vec::new(),
        project: some(&request.project),
        class: some(&request.job_class),
        name: some(&request.name_contains),
        before: (request.before > 0).then_some(JobId(request.before)),
        limit: match request.limit as usize {
            0 => 100,
            limit => limit.min(MOST),
        },
    };
    Ok(Wanted { states, filter })
}

impl Wanted {
    fn has(&self, job: &Job) -> bool {
        let JobFilter { project, class, name, before, .. } = &self.filter;
        let spec = &job.spec;
        before.is_none_or(|before| job.id < before)
            && project.as_ref().is_none_or(|project| *project == spec.project)
            && class.as_ref().is_none_or(|class| *class == spec.class)
            && name.as_ref().is_none_or(|name| spec.name.contains(name.as_str()))
            && self.states.contains(&job.state())
    }
}

/// Shows a job.
pub(super) async fn show(shared: &Shared, job: JobId) -> Result<v1::ShowJobReply, Status> {
    let live = {
        let state = shared.published.read();
        state.job(job).map(|job| from_memory(shared, &state, job))
    };
    let mut reply = match live {
        Some(reply) => reply,
        None => from_history(shared, job).await?,
    };
    reply.decisions = decisions(shared, job).await?;
    if reply.summary.as_ref().is_some_and(|summary| summary.failed > 0) {
        reply.failures = failures(shared, job).await?;
    }
    Ok(reply)
}

fn from_memory(shared: &Shared, state: &State, job: &Job) -> v1::ShowJobReply {
    v1::ShowJobReply {
        summary: Some(summary::live(shared, state, job)),
        spec: Some((&*job.spec).into()),
        tier: job.tier.as_str().to_owned(),
        policy_hash: job.policy.to_string(),
        failures: Vec::new(),
        estimate: state.estimate(job).map(|estimate| v1::Estimate {
            span_ms: estimate.span.as_millis(),
            source: estimate.source.as_str().to_owned(),
            error_percent: estimate.error_percent,
        }),
        content: content(&job.spec),
        marks: job.marks.iter().map(Into::into).collect(),
        remarks: remarks::of_job(shared, state, job.id, None),
        decisions: Vec::new(),
    }
}

async fn from_history(shared: &Shared, job: JobId) -> Result<v1::ShowJobReply, Problem> {
    let mut row = summary::row(shared, job).await?;
    let known = row.clone();
    let failure = shared.past(move |history| summary::failure(history, &known)).await?;
    let spec = v1::JobSpec::decode(std::mem::take(&mut row.spec).as_slice())
        .map_err(|error| Problem::unreadable(&error))?;
    let content = JobSpec::try_from(spec.clone()).map(|spec| content(&spec)).unwrap_or_default();
    Ok(v1::ShowJobReply {
        spec: Some(spec),
        tier: std::mem::take(&mut row.tier),
        policy_hash: std::mem::take(&mut row.policy_hash),
        summary: Some(v1::JobSummary { failure, ..summary::past(row) }),
        failures: Vec::new(),
        estimate: None,
        content,
        marks: Vec::new(),
        remarks: Vec::new(),
        decisions: Vec::new(),
    })
}

/// Who has decided what about a job.
async fn decisions(shared: &Shared, job: JobId) -> Result<Vec<v1::Decision>, Problem> {
    let rows = shared.past(move |history| history.decisions(job, DECISIONS)).await?;
    let told = rows.into_iter().map(|row| v1::Decision {
        kind: match row.verdict {
            Verdict::Cancelled => v1::DecisionKind::Cancelled,
            Verdict::Approved => v1::DecisionKind::Approved,
            Verdict::Denied => v1::DecisionKind::Denied,
        }
        .into(),
        by: row.by,
        reason: row.reason,
        at_ms: row.at.as_millis(),
    });
    Ok(told.collect())
}

/// What a job runs, as one digest; empty if nobody knows.
fn content(spec: &JobSpec) -> String {
    content_of(spec).map(|digest| digest.to_string()).unwrap_or_default()
}

async fn failures(shared: &Shared, job: JobId) -> Result<Vec<v1::TaskSummary>, Problem> {
    let filter = AttemptFilter { failed_only: true, limit: FAILURES, ..AttemptFilter::default() };
    let rows = shared.past(move |history| history.attempts(job, &filter)).await?;
    let state = shared.published.read();
    Ok(rows.into_iter().map(|row| summary::attempt(row, &state)).collect())
}
