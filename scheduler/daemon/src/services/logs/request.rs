//! What a call asks for.

use std::collections::BTreeMap;

use prost::Message as _;
use repower_core::refusal::Refusal;
use repower_model::{Array, AttemptId, Gang, JobId, JobSpec, RankId, TaskId};
use repower_proto::v1;
use repower_store::output::Stream;

use super::super::summary;
use super::piece::{stream, streams};
use crate::problem::Problem;
use crate::shared::Shared;

/// The most lines that the end of a stream can be asked for.
const LINES: u64 = 1_000_000;
/// The most streams of which a caller can have something already.
const KNOWN: usize = 50_000;

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) job: JobId,
    /// Only this task; none: all.
    pub(super) index: Option<u32>,
    pub(super) streams: Vec<Stream>,
    /// Only this attempt; none: the latest.
    pub(super) attempt: Option<u32>,
    pub(super) ranks: Ranks,
    pub(super) begin: Begin,
    /// What the caller has already.
    known: BTreeMap<(RankId, Stream), u64>,
}

/// With what to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Each stream with this byte.
    Byte(u64),
    /// Each stream with the last lines, so many.
    Lines(u64),
}

/// Which ranks are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks {
    pub(super) only: Option<u32>,
    /// How many there are.
    world: u32,
    pub(super) is_gang: bool,
}

impl Ranks {
    pub(super) fn has(self, rank: u32) -> bool {
        self.only.is_none_or(|only| only == rank)
    }

    pub(super) fn all(self) -> impl Iterator<Item = u32> {
        (0..self.world).filter(move |rank| self.has(*rank))
    }
}

impl Wanted {
    /// Checks a call.
    pub(super) async fn of(shared: &Shared, request: &v1::LogsRequest) -> Result<Self, Problem> {
        let job = JobId(request.job);
        let (array, gang) = spec_of(shared, job).await?;
        if let Some(index) = request.index.filter(|index| array.place(*index).is_none()) {
            return Err(Refusal::TaskUnknown { job, index }.into());
        }
        let world = gang.map_or(1, |gang| gang.ranks());
        if let Some(rank) = request.rank.filter(|rank| *rank >= world) {
            return Err(no_rank(job, rank, gang));
        }
        Ok(Self {
            job,
            index: request.index.or_else(|| sole(&array)),
            streams: streams(request)?,
            attempt: (request.attempt > 0).then_some(request.attempt),
            ranks: Ranks { only: request.rank, world, is_gang: gang.is_some() },
            begin: begin(request)?,
            known: known(job, &request.after)?,
        })
    }

    /// How much of a stream the caller has already.
    pub(super) fn has(&self, id: RankId, stream: Stream) -> Option<u64> {
        self.known.get(&(id, stream)).copied()
    }

    /// Whether everything is wanted from its beginning on.
    pub(super) fn is_all(&self) -> bool {
        self.begin == Begin::Byte(0)
    }
}

/// The index of the only task of a plain job.
fn sole(array: &Array) -> Option<u32> {
    array.ranges().first().map(|range| range.first).filter(|_| array.count() == 1)
}

fn begin(request: &v1::LogsRequest) -> Result<Begin, Problem> {
    match request.tail_lines {
        None => Ok(Begin::Byte(request.offset)),
        Some(_) if request.offset > 0 => {
            Err(Problem::bad_request("either `offset` or `tail_lines`, not both"))
        }
        Some(lines) if lines > LINES => {
            let text = format!("the last {lines} lines are asked for, but at most {LINES} can be");
            Err(Problem::bad_request(text).hint("ask for fewer, or for everything"))
        }
        Some(lines) => Ok(Begin::Lines(lines)),
    }
}

fn known(
    job: JobId,
    after: &[v1::LogPosition],
) -> Result<BTreeMap<(RankId, Stream), u64>, Problem> {
    if after.len() > KNOWN {
        let text = format!("{} positions are named, but at most {KNOWN} can be", after.len());
        return Err(Problem::bad_request(text).hint("leave out those of tasks that have ended"));
    }
    let position = |position: &v1::LogPosition| {
        let task = TaskId { job, index: position.index };
        let id = AttemptId { task, number: position.attempt }.rank(position.rank);
        Ok(((id, stream(position.stream())?), position.offset))
    };
    after.iter().map(position).collect()
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
