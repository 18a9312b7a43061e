//! Reading output.

use std::path::Path;
use std::sync::Arc;

use repower_model::{AttemptId, JobId, TaskId};
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
    pub fn length(&self, attempt: AttemptId, stream: Stream) -> Result<u64, Fault> {
        self.pool.with(|connection| length(connection, attempt, stream))
    }

    /// Returns at most `max_bytes` of a stream from byte `from` on; empty at its end.
    pub fn read(
        &self,
        attempt: AttemptId,
        stream: Stream,
        from: u64,
        max_bytes: usize,
    ) -> Result<Vec<u8>, Fault> {
        self.pool.with(|connection| read(connection, attempt, stream, from, max_bytes))
    }

    /// The attempts of a job that printed something, in order; at most `limit`, only those after `after`, if given.
    pub fn attempts_with_output(
        &self,
        job: JobId,
        after: Option<AttemptId>,
        limit: usize,
    ) -> Result<Vec<AttemptId>, Fault> {
        self.pool.with(|connection| attempts_with_output(connection, job, after, limit))
    }
}

fn read(
    connection: &Connection,
    attempt: AttemptId,
    stream: Stream,
    from: u64,
    max_bytes: usize,
) -> rusqlite::Result<Vec<u8>> {
    let mut query = connection.prepare_cached(
        "SELECT start, bytes FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND stream = ?4
             AND start >= coalesce((SELECT max(start) FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3
                 AND stream = ?4 AND start <= ?5), 0)
         ORDER BY start",
    )?;
    let AttemptId { task, number } = attempt;
    let mut rows =
        query.query((int(task.job.0), task.index, number, stream.number(), int(from)))?;
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

fn attempts_with_output(
    connection: &Connection,
    job: JobId,
    after: Option<AttemptId>,
    limit: usize,
) -> rusqlite::Result<Vec<AttemptId>> {
    let mut query = connection.prepare_cached(
        "SELECT DISTINCT task, attempt FROM chunks WHERE job = ?1 AND (task, attempt) > (?2, ?3)
         ORDER BY task, attempt LIMIT ?4",
    )?;
    let (task, number) =
        after.map_or((-1, -1), |after| (i64::from(after.task.index), i64::from(after.number)));
    let id = |row: &rusqlite::Row<'_>| {
        Ok(AttemptId { task: TaskId { job, index: row.get(0)? }, number: row.get(1)? })
    };
    query.query_map((int(job.0), task, number, count(limit)), id)?.collect()
}
