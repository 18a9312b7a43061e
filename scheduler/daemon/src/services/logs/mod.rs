//! What tasks have printed, and go on printing.

mod piece;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use repower_core::refusal::Refusal;
use repower_model::{Array, AttemptId, Gang, JobId, JobSpec, RankId, TaskId, Usage};
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

/// How many ranks are looked up at one time.
const PAGE: usize = 1000;

type Sender = mpsc::Sender<Result<v1::LogChunk, Status>>;

/// Sends what tasks have printed, in order of index; goes on until they have ended if asked to.
pub(super) async fn logs(
    shared: &Arc<Shared>,
    request: v1::LogsRequest,
) -> Result<ReceiverStream<Result<v1::LogChunk, Status>>, Status> {
    let job = JobId(request.job);
    let (array, gang) = spec_of(shared, job).await?;
    if let Some(index) = request.index.filter(|index| array.place(*index).is_none()) {
        return Err(Problem::from(Refusal::TaskUnknown { job, index }).into());
    }
    let world = gang.map_or(1, |gang| gang.ranks());
    if let Some(rank) = request.rank.filter(|rank| *rank >= world) {
        return Err(no_rank(job, rank, gang).into());
    }
    let streams = streams(&request)?;
    let waiting = shared.notices.of(vec![job]);
    let (sender, stream) = mpsc::channel(STREAM);
    let attempt = (request.attempt > 0).then_some(request.attempt);
    let to = sender.clone();
    let shared_too = Arc::clone(shared);
    let ranks = Ranks { only: request.rank, world, is_gang: gang.is_some() };
    let logs = Logs { shared: shared_too, job, streams, attempt, ranks, waiting, sender: to };
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

/// The array of a job, and its gang if it is one.
async fn spec_of(shared: &Shared, job: JobId) -> Result<(Array, Option<Gang>), Problem> {
    if let Some(job) = shared.published.read().job(job) {
        return Ok((job.spec.array.clone(), job.spec.gang));
    }
    let row = summary::row(shared, job).await?;
    let spec = v1::JobSpec::decode(row.spec.as_slice());
    let spec = spec.map_err(|error| Problem::unreadable(&error))?;
    let spec = JobSpec::try_from(spec)?;
    Ok((spec.array, spec.gang))
}

fn no_rank(job: JobId, rank: u32, gang: Option<Gang>) -> Problem {
    Problem::bad_request(match gang {
        Some(gang) => format!(
            "job {job} has no rank {rank}: its ranks are 0 to {}",
            gang.ranks().saturating_sub(1)
        ),
        None => {
            format!("job {job} has no rank {rank}: it is not a gang, so its tasks have rank 0 only")
        }
    })
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
    ranks: Ranks,
    waiting: Waiting,
    sender: Sender,
}

/// Which ranks are wanted.
#[derive(Debug, Clone, Copy)]
struct Ranks {
    only: Option<u32>,
    /// How many there are.
    world: u32,
    is_gang: bool,
}

impl Ranks {
    fn has(self, rank: u32) -> bool {
        self.only.is_none_or(|only| only == rank)
    }

    fn all(self) -> impl Iterator<Item = u32> {
        (0..self.world).filter(move |rank| self.has(*rank))
    }
}

/// How much of each rank of one attempt has been sent.
type Progress = BTreeMap<u32, Sent>;

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
        // Whether the attempt of the rank before is wanted.
        let mut known: Option<(AttemptId, bool)> = None;
        loop {
            let page = self.with_output(after).await?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            let full = page.len() == PAGE;
            for id in page {
                let wanted = match (self.attempt, known) {
                    (Some(number), _) => id.attempt.number == number,
                    (None, Some((attempt, wanted))) if attempt == id.attempt => wanted,
                    (None, _) => self.is_latest(id.attempt).await?,
                };
                known = Some((id.attempt, wanted));
                if wanted && self.ranks.has(id.rank) {
                    self.whole(id).await?;
                }
            }
            if !full {
                return Ok(());
            }
            after = Some(last);
        }
    }

    async fn with_output(&self, after: Option<RankId>) -> Result<Vec<RankId>, Problem> {
        let (printed, job) = (self.shared.printed.clone(), self.job);
        blocking(move || printed.ranks_with_output(job, after, PAGE)).await
    }

    async fn is_latest(&self, id: AttemptId) -> Result<bool, Problem> {
        let standing = self.standing(id.task.index).await?;
        Ok(standing.latest.is_none_or(|latest| latest == id.number))
    }

    async fn whole(&self, id: RankId) -> Result<(), Stop> {
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
        let (mut current, mut sent) = (self.attempt, Progress::default());
        loop {
            // First the standing, then the output: all of it is there before an attempt has ended.
            let standing = self.standing(index).await?;
            current = current.or(standing.latest);
            if let Some(number) = current {
                let id = AttemptId { task, number };
                for rank in self.ranks.all() {
                    self.more(id.rank(rank), sent.entry(rank).or_default()).await?;
                }
                let goes_on = standing.live && standing.latest == Some(number);
                let to_come =
                    !standing.over && standing.latest.is_none_or(|latest| latest < number);
                if !goes_on && !to_come {
                    for (rank, sent) in &sent {
                        self.cut(id.rank(*rank), sent).await?;
                    }
                    if self.attempt.is_some() {
                        return Ok(());
                    }
                    if standing.latest != current {
                        (current, sent) = (standing.latest, Progress::default());
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
    async fn more(&self, id: RankId, sent: &mut Sent) -> Result<(), Stop> {
        for stream in &self.streams {
            loop {
                let (printed, stream, offset) =
                    (self.shared.printed.clone(), *stream, *sent.of(*stream));
                let data = blocking(move || printed.read(id, stream, offset, CHUNK_LIMIT)).await?;
                if data.is_empty() {
                    break;
                }
                *sent.of(stream) += data.len() as u64;
                self.send(chunk(id, stream, offset, Some(data))).await?;
            }
        }
        Ok(())
    }

    /// Says of each stream that was cut at its bound that it was.
    async fn cut(&self, id: RankId, sent: &Sent) -> Result<(), Stop> {
        let Some(usage) = self.usage(id).await?.filter(|usage| usage.truncated) else {
            return Ok(());
        };
        for stream in &self.streams {
            let (written, kept) = match stream {
                Stream::Stdout => (usage.stdout_bytes, sent.stdout),
                Stream::Stderr => (usage.stderr_bytes, sent.stderr),
            };
            if written > kept {
                self.send(chunk(id, *stream, kept, None)).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, mut chunk: v1::LogChunk) -> Result<(), Stop> {
        chunk.rank = chunk.rank.filter(|_| self.ranks.is_gang);
        self.sender.send(Ok(chunk)).await.map_err(|_| Stop::Gone)
    }

    async fn usage(&self, id: RankId) -> Result<Option<Usage>, Problem> {
        if self.ranks.is_gang {
            let row = self.shared.past(move |history| history.rank(id)).await?;
            return Ok(row.and_then(|row| row.ended).map(|ended| ended.usage));
        }
        let rows = self.rows(id.attempt.task.index).await?;
        let row = rows.into_iter().find(|row| row.placed.id == id.attempt);
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
