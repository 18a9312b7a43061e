//! Reading output.

use std::path::Path;
use std::sync::Arc;

use repower_model::{AttemptId, JobId, RankId, TaskId};
use rusqlite::Connection;

use super::Stream;
use super::append::length;
use super::schema::OUTPUT;
use crate::database::FileError;
use crate::fault::Fault;
use crate::pool::Pool;
use crate::sql::{count, int};

/// A handle for reading the output of tasks; cheap to clone, and to share between threads.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

impl Reader {
    /// Opens the output of a data folder for reading, with or without a scheduler that writes it.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        Ok(Self::new(Arc::new(Pool::open(folder, OUTPUT)?)))
    }

    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// How many bytes of a stream have arrived.
    pub fn length(&self, rank: RankId, stream: Stream) -> Result<u64, Fault> {
        self.pool.with(|connection| length(connection, rank, stream))
    }

    /// Returns at most `max_bytes` of a stream from byte `from` on; empty at its end.
    pub fn read(
        &self,
        rank: RankId,
        stream: Stream,
        from: u64,
        max_bytes: usize,
    ) -> Result<Vec<u8>, Fault> {
        self.pool.with(|connection| read(connection, rank, stream, from, max_bytes))
    }

    /// The ranks of a job's attempts that printed something, in order; at most `limit`, only those after
    /// `after`, if given.
    pub fn ranks_with_output(
        &self,
        job: JobId,
        after: Option<RankId>,
        limit: usize,
    ) -> Result<Vec<RankId>, Fault> {
        self.pool.with(|connection| ranks_with_output(connection, job, after, limit))
    }
}

fn read(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
    from: u64,
    max_bytes: usize,
) -> rusqlite::Result<Vec<u8>> {
    let mut query = connection.prepare_cached(
        "SELECT start, bytes FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?6 AND stream = ?4
             AND start >= coalesce((SELECT max(start) FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3
                 AND rank = ?6 AND stream = ?4 AND start <= ?5), 0)
         ORDER BY start",
    )?;
    let RankId { attempt: AttemptId { task, number }, rank } = rank;
    let mut rows =
        query.query((int(task.job.0), task.index, number, stream.number(), int(from), rank))?;
    let mut output = Vec::new();
    while output.len() < max_bytes {
        let Some(row) = rows.next()? else { break };
        let start: u64 = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob()?;
        let skip = usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX);
        let wanted = bytes.get(skip..).unwrap_or_default();
        output.extend_from_slice(&wanted[..wanted.len().min(max_bytes - output.len())]);
    }
    Ok(output)
}

fn ranks_with_output(
    connection: &Connection,
    job: JobId,
    after: Option<RankId>,
    limit: usize,
) -> rusqlite::Result<Vec<RankId>> {
    let mut query = connection.prepare_cached(
        "SELECT DISTINCT task, attempt, rank FROM chunks WHERE job = ?1 AND (task, attempt, rank) > (?2, ?3, ?4)
         ORDER BY task, attempt, rank LIMIT ?5",
    )?;
    let none = (-1, -1, -1);
    let (task, number, rank) = after.map_or(none, |RankId { attempt, rank }| {
        (i64::from(attempt.task.index), i64::from(attempt.number), i64::from(rank))
    });
    let id = |row: &rusqlite::Row<'_>| {
        let attempt = AttemptId { task: TaskId { job, index: row.get(0)? }, number: row.get(1)? };
        Ok(attempt.rank(row.get(2)?))
    };
    query.query_map((int(job.0), task, number, rank, count(limit)), id)?.collect()
}
