//! Watching jobs until they end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use repower_model::{JobId, JobState};
use repower_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{STREAM, summary};
use crate::clock::Stopwatch;
use crate::notices::Waiting;
use crate::problem::Problem;
use crate::shared::Shared;

/// The most jobs of one watch.
const MOST: usize = 10_000;
/// News other than an end is not sent more often.
const PACE: Duration = Duration::from_millis(50);

/// A look at more jobs than this is not taken more often either.
const MANY: usize = 100;

type Sender = mpsc::Sender<Result<v1::JobSummary, Status>>;

/// Sends a summary of each job at once, and after each change until all have ended.
pub(super) async fn watch(
    shared: &Arc<Shared>,
    request: v1::WatchRequest,
) -> Result<ReceiverStream<Result<v1::JobSummary, Status>>, Status> {
    if request.jobs.len() > MOST {
        let text =
            format!("{} jobs are named, but at most {MOST} can be watched", request.jobs.len());
        return Err(Problem::bad_request(text).into());
    }
    let mut jobs: Vec<JobId> = request.jobs.into_iter().map(JobId).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let waiting = shared.notices.of(jobs.clone());
    let mut first = Vec::with_capacity(jobs.len());
    for job in &jobs {
        first.push(summary::of(shared, *job).await?);
    }
    let (sender, stream) = mpsc::channel(STREAM);
    let watch = Watch { shared: Arc::clone(shared), waiting, open: BTreeMap::new() };
    let to = sender.clone();
    shared.spawn_stream(sender, async move { watch.run(first, &to).await });
    Ok(ReceiverStream::new(stream))
}

struct Watch {
    shared: Arc<Shared>,
    waiting: Waiting,
    /// Jobs that have not ended, as they were sent last.
    open: BTreeMap<JobId, v1::JobSummary>,
}

impl Watch {
    async fn run(mut self, first: Vec<v1::JobSummary>, sender: &Sender) -> Result<(), Problem> {
        for summary in first {
            if !self.send(summary, sender).await {
                return Ok(());
            }
        }
        let mut last = Stopwatch::start();
        while !self.open.is_empty() {
            tokio::select! {
                () = self.waiting.news() => {}
                () = sender.closed() => return Ok(()),
            }
            if self.open.len() > MANY {
                tokio::time::sleep(PACE).await;
            }
            let (ended, changed) = self.look().await?;
            for summary in ended {
                if !self.send(summary, sender).await {
                    return Ok(());
                }
            }
            if changed.is_empty() {
                continue;
            }
            // An end is told at once; other news can wait, and may be old by then.
            if let Some(pause) = PACE.checked_sub(last.elapsed()) {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.waiting.news() => self.waiting.again(),
                }
                if last.elapsed() < PACE {
                    continue;
                }
            }
            last = Stopwatch::start();
            for summary in changed {
                if !self.send(summary, sender).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends a summary; false if nobody listens any more.
    async fn send(&mut self, summary: v1::JobSummary, sender: &Sender) -> bool {
        let job = JobId(summary.id);
        if is_end(&summary) {
            self.open.remove(&job);
        } else {
            self.open.insert(job, summary.clone());
        }
        sender.send(Ok(summary)).await.is_ok()
    }

    /// Jobs that have ended since the last look, and others that have changed.
    async fn look(&self) -> Result<(Vec<v1::JobSummary>, Vec<v1::JobSummary>), Problem> {
        let (mut ended, mut changed) = (Vec::new(), Vec::new());
        for (job, before) in &self.open {
            let now = summary::of(&self.shared, *job).await?;
            if is_end(&now) {
                ended.push(now);
            } else if now != *before {
                changed.push(now);
            }
        }
        Ok((ended, changed))
    }
}

fn is_end(summary: &v1::JobSummary) -> bool {
    JobState::try_from(summary.state()).is_ok_and(JobState::is_end)
}
