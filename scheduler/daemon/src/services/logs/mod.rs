//! What tasks have printed, and go on printing.

mod piece;

use std::sync::Arc;

use prost::Message as _;
use repower_core::refusal::Refusal;
use repower_model::{Array, AttemptId, JobId, JobSpec, TaskId, Usage};
use repower_proto::v1;
use repower_store::output::{CHUNK_LIMIT, Stream};
use repower_store::sqlite::AttemptFilter;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{STREAM, summary};
use crate::notices::Waiting;
use crate::problem::Problem;
use crate::shared::Shared;
use piece::{Sent, blocking, chunk, streams};

/// How many attempts are looked up at one time.
const PAGE: usize = 1000;

type Sender = mpsc::Sender<Result<v1::LogChunk, Status>>;

/// Sends what tasks have printed, in order of index; goes on until they have ended if asked to.
pub(super) async fn logs(
    shared: &Arc<Shared>,
    request: v1::LogsRequest,
) -> Result<ReceiverStream<Result<v1::LogChunk, Status>>, Status> {
    let job = JobId(request.job);
    let array = array_of(shared, job).await?;
    if let Some(index) = request.index.filter(|index| array.place(*index).is_none()) {
        return Err(Problem::from(Refusal::TaskUnknown { job, index }).into());
    }
    let streams = streams(&request)?;
    let waiting = shared.notices.of(vec![job]);
    let (sender, stream) = mpsc::channel(STREAM);
    let attempt = (request.attempt > 0).then_some(request.attempt);
    let to = sender.clone();
    let logs = Logs { shared: Arc::clone(shared), job, streams, attempt, waiting, sender: to };
    let (index, follow) = (request.index, request.follow);
    shared.spawn_stream(sender, async move {
        let sent = match index {
            Some(index) => logs.task(index, follow).await,
            None if follow => logs.follow_all(&array).await,
            None => logs.all().await,
        };
        match sent {
            Ok(()) | Err(Stop::Gone) => Ok(()),
            Err(Stop::Problem(problem)) => Err(problem),
        }
    });
    Ok(ReceiverStream::new(stream))
}

async fn array_of(shared: &Shared, job: JobId) -> Result<Array, Problem> {
    if let Some(job) = shared.published.read().job(job) {
        return Ok(job.spec.array.clone());
    }
    let row = summary::row(shared, job).await?;
    let spec = v1::JobSpec::decode(row.spec.as_slice());
    let spec = spec.map_err(|error| Problem::unreadable(&error))?;
    Ok(JobSpec::try_from(spec)?.array)
}

/// Why no more is sent.
enum Stop {
    /// Nobody listens any more.
    Gone,
    /// The history cannot be read.
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

struct Logs {
    shared: Arc<Shared>,
    job: JobId,
    streams: Vec<Stream>,
    /// Only this attempt; none: the latest.
    attempt: Option<u32>,
    waiting: Waiting,
    sender: Sender,
}

/// Where a task is, as far as its output goes.
struct Standing {
    /// The latest attempt; none yet.
    latest: Option<u32>,
    /// Whether the latest goes on.
    live: bool,
    /// Whether there will be no further attempt.
    over: bool,
}

impl Logs {
    /// Everything that is there.
    async fn all(&self) -> Result<(), Stop> {
        let mut after = None;
        loop {
            let page = self.with_output(after).await?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            let full = page.len() == PAGE;
            for (at, id) in page.iter().enumerate() {
                let next = page.get(at + 1);
                let is_last = next.is_none_or(|next| next.task != id.task);
                // The last task of a full page may have another attempt on the next one.
                let wanted = match self.attempt {
                    Some(number) => id.number == number,
                    None => is_last && self.is_latest(*id).await?,
                };
                if wanted {
                    self.whole(*id).await?;
                }
            }
            if !full {
                return Ok(());
            }
            after = Some(last);
        }
    }

    async fn with_output(&self, after: Option<AttemptId>) -> Result<Vec<AttemptId>, Problem> {
        let (printed, job) = (self.shared.printed.clone(), self.job);
        blocking(move || printed.attempts_with_output(job, after, PAGE)).await
    }

    async fn is_latest(&self, id: AttemptId) -> Result<bool, Problem> {
        let standing = self.standing(id.task.index).await?;
        Ok(standing.latest.is_none_or(|latest| latest == id.number))
    }

    async fn whole(&self, id: AttemptId) -> Result<(), Stop> {
        let mut sent = Sent::default();
        self.more(id, &mut sent).await?;
        self.cut(id, &sent).await
    }

    async fn follow_all(&self, array: &Array) -> Result<(), Stop> {
        for range in array.ranges() {
            let mut index = range.first;
            while index <= range.last {
                self.task(index, true).await?;
                let Some(next) = index.checked_add(range.step) else { break };
                index = next;
            }
        }
        Ok(())
    }

    /// One task: what is there, and what comes.
    async fn task(&self, index: u32, follow: bool) -> Result<(), Stop> {
        let task = TaskId { job: self.job, index };
        let (mut current, mut sent) = (self.attempt, Sent::default());
        loop {
            // First the standing, then the output: all of it is there before an attempt has ended.
            let standing = self.standing(index).await?;
            current = current.or(standing.latest);
            if let Some(number) = current {
                let id = AttemptId { task, number };
                self.more(id, &mut sent).await?;
                let goes_on = standing.live && standing.latest == Some(number);
                let to_come =
                    !standing.over && standing.latest.is_none_or(|latest| latest < number);
                if !goes_on && !to_come {
                    self.cut(id, &sent).await?;
                    if self.attempt.is_some() {
                        return Ok(());
                    }
                    if standing.latest != current {
                        (current, sent) = (standing.latest, Sent::default());
                        continue;
                    }
                }
            }
            if !follow || (standing.over && !standing.live) {
                return Ok(());
            }
            tokio::select! {
                () = self.waiting.news() => {}
                () = self.sender.closed() => return Err(Stop::Gone),
            }
        }
    }

    /// Sends what has come since.
    async fn more(&self, id: AttemptId, sent: &mut Sent) -> Result<(), Stop> {
        for stream in &self.streams {
            loop {
                let (printed, stream, offset) =
                    (self.shared.printed.clone(), *stream, *sent.of(*stream));
                let data = blocking(move || printed.read(id, stream, offset, CHUNK_LIMIT)).await?;
                if data.is_empty() {
                    break;
                }
                *sent.of(stream) += data.len() as u64;
                self.send(chunk(id, stream, offset, data, false)).await?;
            }
        }
        Ok(())
    }

    /// Says of each stream that was cut at its bound that it was.
    async fn cut(&self, id: AttemptId, sent: &Sent) -> Result<(), Stop> {
        let Some(usage) = self.usage(id).await?.filter(|usage| usage.truncated) else {
            return Ok(());
        };
        for stream in &self.streams {
            let (written, kept) = match stream {
                Stream::Stdout => (usage.stdout_bytes, sent.stdout),
                Stream::Stderr => (usage.stderr_bytes, sent.stderr),
            };
            if written > kept {
                self.send(chunk(id, *stream, kept, Vec::new(), true)).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, chunk: v1::LogChunk) -> Result<(), Stop> {
        self.sender.send(Ok(chunk)).await.map_err(|_| Stop::Gone)
    }

    async fn usage(&self, id: AttemptId) -> Result<Option<Usage>, Problem> {
        let rows = self.rows(id.task.index).await?;
        let row = rows.into_iter().find(|row| row.placed.id == id);
        Ok(row.and_then(|row| row.ended).map(|ended| ended.usage))
    }

    async fn standing(&self, index: u32) -> Result<Standing, Problem> {
        let task = TaskId { job: self.job, index };
        let waits = {
            let state = self.shared.published.read();
            if let Some(live) = state.attempts.get(&task) {
                return Ok(Standing { latest: Some(live.number), live: true, over: false });
            }
            state
                .job(self.job)
                .is_some_and(|job| job.place(task).is_some_and(|place| job.pending.contains(place)))
        };
        let latest = self.rows(index).await?.last().map(|row| row.placed.id.number);
        Ok(Standing { latest, live: false, over: !waits })
    }

    async fn rows(&self, index: u32) -> Result<Vec<repower_store::rows::AttemptRow>, Problem> {
        let job = self.job;
        let filter = AttemptFilter {
            first_task: index,
            last_task: index,
            limit: 10_000,
            ..AttemptFilter::default()
        };
        self.shared.past(move |history| history.attempts(job, &filter)).await
    }
}
