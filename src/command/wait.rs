//! `repower wait`, and waiting after a submission.

use std::collections::BTreeMap;
use std::time::Duration;

use repower_proto::v1::{JobState, JobSummary, LogsRequest, ShowJobRequest, WatchRequest};

use super::logs;
use crate::arguments::Reach;
use crate::client::{Client, Patience, is_lost};
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::{Reference, ReferenceError};
use crate::render::progress::Progress;
use crate::render::quantity::count;
use crate::render::{Screen, json, time, words};

/// How long a lost scheduler is looked for again before waiting is given up.
const PATIENCE: Duration = Duration::from_mins(10);

/// Options of `repower wait`.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Jobs to wait for
    #[arg(value_name = "JOB", required = true, value_parser = job)]
    jobs: Vec<u64>,
    /// Show progress on standard error
    #[arg(long, short)]
    progress: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Whether to wait after a submission.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Until {
    /// Wait for its end, and exit with the job's own code
    #[arg(long, help_heading = "Waiting and repeating")]
    wait: bool,
    /// The same, and show progress on standard error
    #[arg(long, short, help_heading = "Waiting and repeating")]
    progress: bool,
    /// The same, and print what its tasks write, as `repower logs --follow` does
    #[arg(long, short, conflicts_with = "progress", help_heading = "Waiting and repeating")]
    follow: bool,
}

/// How waiting ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// All jobs have ended; in the order in which they were named.
    Ended(Vec<JobSummary>),
    /// By Ctrl-C, which the person has been told what it means.
    Interrupted,
}

/// Reads the number of a whole job.
pub(super) fn job(text: &str) -> Result<u64, ReferenceError> {
    let named: Reference = text.parse()?;
    if named.index.is_some() { Err(ReferenceError::Job(text.to_owned())) } else { Ok(named.job) }
}

impl Wait {
    /// Waits for all of the jobs.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let until = Until { wait: true, progress: self.progress, follow: false };
        match until.ended(&client, screen, &self.jobs).await? {
            Waited::Interrupted => Ok(Exit::INTERRUPTED),
            Waited::Ended(jobs) => {
                if screen.is_json() {
                    let jobs = jobs.iter().map(json::Job::from).collect();
                    screen.json(&json::Jobs { jobs, more: false })?;
                }
                Ok(exit(&jobs))
            }
        }
    }
}

impl Until {
    /// Waits without a word.
    #[cfg(test)]
    pub(super) fn waiting() -> Self {
        Self { wait: true, progress: false, follow: false }
    }

    /// Does not wait.
    #[cfg(test)]
    pub(super) fn at_once() -> Self {
        Self { wait: false, progress: false, follow: false }
    }

    /// Whether waiting was asked for.
    pub(super) fn wanted(self) -> bool {
        self.wait || self.progress || self.follow
    }

    /// Waits until all jobs have ended, and tells how each did.
    pub(super) async fn ended(
        self,
        client: &Client,
        screen: &mut Screen,
        jobs: &[u64],
    ) -> Result<Waited, Failure> {
        let mut progress = if self.progress && !screen.is_quiet() {
            Progress::visible()
        } else {
            Progress::none()
        };
        let watched = async {
            for job in jobs.iter().filter(|_| self.follow) {
                let request = LogsRequest { job: *job, follow: true, ..LogsRequest::default() };
                logs::all(client, screen, request, logs::Prefix::IfSeveral).await?;
            }
            watch(client, jobs, &mut progress).await
        };
        let watched = tokio::select! {
            watched = watched => Some(watched),
            signal = tokio::signal::ctrl_c() => { drop(signal); None }
        };
        progress.end();
        match watched {
            None => {
                for job in jobs {
                    screen.tell(format_args!(
                        "job {job} goes on; `repower wait {job}` waits again, `repower cancel {job}` stops it"
                    ));
                }
                Ok(Waited::Interrupted)
            }
            Some(ended) => {
                let mut ended = ended?;
                let ended: Vec<JobSummary> =
                    jobs.iter().filter_map(|job| ended.remove(job)).collect();
                for job in &ended {
                    screen.note(sentence(job));
                    for line in causes(client, job).await {
                        screen.note(words::tame(&line));
                    }
                }
                Ok(Waited::Ended(ended))
            }
        }
    }
}

/// Follows jobs to their ends, over as many connections as it takes.
async fn watch(
    client: &Client,
    jobs: &[u64],
    progress: &mut Progress,
) -> Result<BTreeMap<u64, JobSummary>, Failure> {
    let mut seen: BTreeMap<u64, JobSummary> = BTreeMap::new();
    let mut patience = Patience::of(PATIENCE);
    loop {
        let lost = match client.jobs().watch(WatchRequest { jobs: jobs.to_vec() }).await {
            Err(status) => Some(status),
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(job)) => {
                            patience = Patience::of(PATIENCE);
                            seen.insert(job.id, job);
                            progress.update(seen.values());
                            if jobs.iter().all(|job| {
                                seen.get(job).is_some_and(|job| words::has_ended(job.state()))
                            }) {
                                return Ok(seen);
                            }
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
        };
        let status = lost
            .unwrap_or_else(|| tonic::Status::unavailable("the stream ended before the jobs did"));
        if !is_lost(&status) || !patience.wait().await {
            return Err(client.refused(&status).into());
        }
    }
}

/// Returns why tasks of a failed job could not run to their ends, where more is known than a code:
/// `12.3 on rig-07: not started: ./run: no such file`.
async fn causes(client: &Client, job: &JobSummary) -> Vec<String> {
    /// As many as a person reads.
    const FEW: usize = 3;
    if job.state() != JobState::Failed {
        return Vec::new();
    }
    // What was waited for is known; if more cannot be had, nothing is lost.
    let Ok(reply) = client.jobs().show(ShowJobRequest { job: job.id }).await else {
        return Vec::new();
    };
    let failures = reply.into_inner().failures;
    let told = failures.iter().filter_map(|task| {
        let outcome = task.outcome.as_ref().filter(|outcome| !outcome.detail.is_empty())?;
        let (id, index, node) = (task.job, task.index, &task.node);
        Some(format!("{id}.{index} on {node}: {}", words::outcome(outcome)))
    });
    told.take(FEW).collect()
}

/// Returns how a job ended: `job 12 failed after 4m12s: 3 of 100 tasks failed, exit code 2`.
fn sentence(job: &JobSummary) -> String {
    let from = if job.started_ms == 0 { job.submitted_ms } else { job.started_ms };
    let took = time::between(from, job.ended_ms);
    let state = words::job_state(job.state());
    let tasks = count(job.tasks, "task");
    let rest = match job.state() {
        JobState::Succeeded => tasks,
        JobState::Failed => {
            let why =
                if job.failure.is_empty() { String::new() } else { format!(" ({})", job.failure) };
            format!("{} of {tasks} failed, exit code {}{why}", job.failed, job.exit_code)
        }
        JobState::Unspecified
        | JobState::Held
        | JobState::Pending
        | JobState::Running
        | JobState::Cancelled => {
            format!("{} of {tasks} succeeded", job.succeeded)
        }
    };
    format!("job {} {state} after {took}: {rest}", job.id)
}

/// Returns the exit code of the first job that did not succeed.
pub(super) fn exit(jobs: &[JobSummary]) -> Exit {
    let codes =
        jobs.iter().map(|job| Exit::of_job(job.state() == JobState::Succeeded, job.exit_code));
    codes.into_iter().find(|code| *code != Exit::OK).unwrap_or(Exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(state: JobState, exit_code: i32) -> JobSummary {
        JobSummary {
            id: 12,
            state: state.into(),
            exit_code,
            tasks: 100,
            failed: 3,
            succeeded: 97,
            started_ms: 1000,
            ended_ms: 253_000,
            ..JobSummary::default()
        }
    }

    #[test]
    fn waiting_exits_as_the_first_job_that_did_not_succeed() {
        let jobs = [
            ended(JobState::Succeeded, 0),
            ended(JobState::Failed, 137),
            ended(JobState::Failed, 2),
        ];

        assert_eq!(exit(&jobs).as_u8(), 137);
        assert_eq!(exit(&jobs[..1]).as_u8(), 0);
        assert_eq!(exit(&[ended(JobState::Cancelled, 0)]).as_u8(), 1);
    }

    #[test]
    fn the_end_is_told_in_one_line() {
        assert_eq!(
            sentence(&ended(JobState::Failed, 2)),
            "job 12 failed after 4m12s: 3 of 100 tasks failed, exit code 2"
        );
        assert_eq!(
            sentence(&ended(JobState::Succeeded, 0)),
            "job 12 succeeded after 4m12s: 100 tasks"
        );
    }
}
