//! Reading output.

use std::path::Path;
use std::sync::Arc;

use repower_model::{AttemptId, JobId, RankId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::Stream;
use super::append::length;
use super::pack::{Packed, next, pack, unpack};
use super::schema::OUTPUT;
use super::tail::tail;
use crate::database::FileError;
use crate::fault::Fault;
use crate::pool::Pool;
use crate::sql::{count, int};

/// A handle for reading the output of tasks; cheap to clone, and to share between threads.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

/// Bytes of a stream that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Where it begins: behind the byte that was asked for, if that is missing.
    pub start: u64,
    /// The bytes; none at the end of the stream.
    pub bytes: Vec<u8>,
}

/// Some bytes of a job, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Above that of everything that came before.
    pub id: i64,
    /// Who printed it.
    pub rank: RankId,
    /// Where.
    pub stream: Stream,
    /// Which byte of the stream it begins with.
    pub start: u64,
    /// How many bytes before it are missing.
    pub missing: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A process that has printed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printer {
    /// Which.
    pub rank: RankId,
    /// Whether its output has been removed.
    pub removed: bool,
}

impl Reader {
    /// Opens the output of a data folder for reading, with or without a scheduler that writes it.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        Ok(Self::new(Arc::new(Pool::open(folder, OUTPUT)?)))
    }

    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// How many bytes of a stream have arrived, with those that are missing.
    pub fn length(&self, rank: RankId, stream: Stream) -> Result<u64, Fault> {
        self.pool.with(|connection| length(connection, rank, stream))
    }

    /// Returns at most `max_bytes` of a stream from byte `from` on, or from the next one that is there; none at its
    /// end.
    pub fn read(
        &self,
        rank: RankId,
        stream: Stream,
        from: u64,
        max_bytes: usize,
    ) -> Result<Piece, Fault> {
        self.pool.with(|connection| read(connection, rank, stream, from, max_bytes))
    }

    /// Returns where the last `lines` lines of a stream begin; if they have more than `max_bytes`, where the last of
    /// these do.
    pub fn tail(
        &self,
        rank: RankId,
        stream: Stream,
        lines: u64,
        max_bytes: u64,
    ) -> Result<u64, Fault> {
        self.pool.with(|connection| tail(connection, rank, stream, lines, max_bytes))
    }

    /// Returns what came of a job after the piece `after`, oldest first: about `max_bytes`, and at least one piece if
    /// there is any. What has been compressed since came when its last byte did.
    pub fn arrivals(
        &self,
        job: JobId,
        after: i64,
        max_bytes: usize,
    ) -> Result<Vec<Arrival>, Fault> {
        self.pool.with(|connection| arrivals(connection, job, after, max_bytes))
    }

    /// The last piece of a job that has come; 0: none.
    pub fn newest(&self, job: JobId) -> Result<i64, Fault> {
        let query =
            "SELECT coalesce(max(id), 0) FROM chunks INDEXED BY chunks_of_job WHERE job = ?1";
        self.pool.with(|connection| {
            connection.prepare_cached(query)?.query_row([int(job.0)], |row| row.get(0))
        })
    }

    /// The ranks of a job's attempts that printed something, in order; at most `limit`, only those after `after`, if
    /// given.
    pub fn printers(
        &self,
        job: JobId,
        after: Option<RankId>,
        limit: usize,
    ) -> Result<Vec<Printer>, Fault> {
        self.pool.with(|connection| printers(connection, job, after, limit, 0))
    }

    /// Likewise, those whose output has been removed.
    pub fn removed(
        &self,
        job: JobId,
        after: Option<RankId>,
        limit: usize,
    ) -> Result<Vec<Printer>, Fault> {
        self.pool.with(|connection| printers(connection, job, after, limit, 2))
    }

    /// Whether the output of a process has been removed.
    pub fn is_removed(&self, rank: RankId) -> Result<bool, Fault> {
        self.pool.with(|connection| is_removed(connection, rank))
    }

    /// Those whose output is as it came, and who have printed nothing since `since`; longest ago first.
    pub fn quiet(&self, since: Timestamp, limit: usize) -> Result<Vec<RankId>, Fault> {
        self.pool.with(|connection| by_age(connection, 0, since, limit))
    }

    /// Those whose output is compressed, and who have printed nothing since `since`; longest ago first.
    pub fn old(&self, since: Timestamp, limit: usize) -> Result<Vec<RankId>, Fault> {
        self.pool.with(|connection| by_age(connection, 1, since, limit))
    }

    /// How many bytes all output takes, as stored.
    pub fn stored(&self) -> Result<u64, Fault> {
        let query = "SELECT coalesce(sum(bytes), 0) FROM printers";
        self.pool.with(|connection| connection.query_row(query, [], |row| row.get(0)))
    }

    /// Compresses the piece of a stream that begins at `from`, or behind it; `None`: there is none.
    pub fn pack(&self, rank: RankId, stream: Stream, from: u64) -> Result<Option<Packed>, Fault> {
        let piece = self.pool.with(|connection| next(connection, rank, stream, from))?;
        Ok((!piece.bytes.is_empty()).then(|| pack(rank, stream, &piece)))
    }
}

/// The columns by which a stream is found.
pub(super) fn place(rank: RankId, stream: Stream) -> (i64, u32, u32, u32, i64) {
    let RankId { attempt: AttemptId { task, number }, rank } = rank;
    (int(task.job.0), task.index, number, rank, stream.number())
}

fn read(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
    from: u64,
    max_bytes: usize,
) -> rusqlite::Result<Piece> {
    let mut query = connection.prepare_cached(
        "SELECT start, bytes, length FROM chunks
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5
             AND start >= coalesce((SELECT max(start) FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3
                 AND rank = ?4 AND stream = ?5 AND start <= ?6), 0)
         ORDER BY start",
    )?;
    let (job, task, number, rank, stream) = place(rank, stream);
    let mut rows = query.query((job, task, number, rank, stream, int(from)))?;
    let mut piece = Piece { start: from, bytes: Vec::new() };
    while piece.bytes.len() < max_bytes {
        let Some(row) = rows.next()? else { break };
        let (start, length): (u64, u64) = (row.get(0)?, row.get(2)?);
        let next = piece.start + piece.bytes.len() as u64;
        if start + length <= next {
            continue;
        }
        if start > next {
            if !piece.bytes.is_empty() {
                break;
            }
            piece.start = start;
        }
        let bytes = unpack(row.get_ref(1)?.as_blob()?, length)?;
        let skip = usize::try_from(next.saturating_sub(start)).unwrap_or(usize::MAX);
        let wanted = bytes.get(skip..).unwrap_or_default();
        piece.bytes.extend_from_slice(&wanted[..wanted.len().min(max_bytes - piece.bytes.len())]);
    }
    Ok(piece)
}

fn arrivals(
    connection: &Connection,
    job: JobId,
    after: i64,
    max_bytes: usize,
) -> rusqlite::Result<Vec<Arrival>> {
    let mut query = connection.prepare_cached(
        "SELECT id, task, attempt, rank, stream, start, missing, bytes, length
         FROM chunks INDEXED BY chunks_of_job WHERE job = ?1 AND id > ?2 ORDER BY id",
    )?;
    let mut rows = query.query((int(job.0), after))?;
    let (mut arrivals, mut bytes) = (Vec::new(), 0);
    while bytes < max_bytes {
        let Some(row) = rows.next()? else { break };
        let arrival = Arrival {
            id: row.get(0)?,
            rank: rank(row, job, 1)?,
            stream: Stream::of(row.get(4)?),
            start: row.get(5)?,
            missing: row.get(6)?,
            bytes: unpack(row.get_ref(7)?.as_blob()?, row.get(8)?)?.into_owned(),
        };
        bytes += arrival.bytes.len();
        arrivals.push(arrival);
    }
    Ok(arrivals)
}

/// The rank whose task, attempt and rank stand from this column on.
fn rank(row: &Row<'_>, job: JobId, column: usize) -> rusqlite::Result<RankId> {
    let task = TaskId { job, index: row.get(column)? };
    Ok(AttemptId { task, number: row.get(column + 1)? }.rank(row.get(column + 2)?))
}

fn printers(
    connection: &Connection,
    job: JobId,
    after: Option<RankId>,
    limit: usize,
    state: i64,
) -> rusqlite::Result<Vec<Printer>> {
    let mut query = connection.prepare_cached(
        "SELECT task, attempt, rank, state FROM printers WHERE job = ?1 AND (task, attempt, rank) > (?2, ?3, ?4)
             AND state >= ?6 ORDER BY task, attempt, rank LIMIT ?5",
    )?;
    let none = (-1, -1, -1);
    let (task, number, of) = after.map_or(none, |RankId { attempt, rank }| {
        (i64::from(attempt.task.index), i64::from(attempt.number), i64::from(rank))
    });
    let printer = |row: &Row<'_>| {
        Ok(Printer { rank: rank(row, job, 0)?, removed: row.get::<_, i64>(3)? == 2 })
    };
    query.query_map((int(job.0), task, number, of, count(limit), state), printer)?.collect()
}

fn is_removed(connection: &Connection, rank: RankId) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT state FROM printers WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4",
    )?;
    let (job, task, number, rank, _) = place(rank, Stream::Stdout);
    let state: Option<i64> =
        query.query_row((job, task, number, rank), |row| row.get(0)).optional()?;
    Ok(state == Some(2))
}

fn by_age(
    connection: &Connection,
    state: i64,
    since: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<RankId>> {
    let mut query = connection.prepare_cached(
        "SELECT job, task, attempt, rank FROM printers WHERE state = ?1 AND at_ms >= 0 AND at_ms < ?2
         ORDER BY at_ms LIMIT ?3",
    )?;
    let rank = |row: &Row<'_>| rank(row, JobId(row.get(0)?), 1);
    query.query_map((state, since.as_millis(), count(limit)), rank)?.collect()
}
