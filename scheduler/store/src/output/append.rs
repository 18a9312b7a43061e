//! Keeping output: a group commit, each byte once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use repower_model::{AttemptId, JobId, RankId};
use rusqlite::{Connection, OptionalExtension as _};

use super::read::Reader;
use super::schema::OUTPUT;
use super::{CHUNK_LIMIT, Chunk, Stream};
use crate::database::{FileError, begin, make_folder, open_writer};
use crate::fault::{At as _, Fault};
use crate::pool::Pool;
use crate::sql::int;

/// The writer of the output of tasks.
#[derive(Debug)]
pub struct Output {
    // Dropped before `connection`: the last connection to close empties the write-ahead log, and only one that may
    // write can do that.
    reader: Reader,
    connection: Connection,
    path: PathBuf,
}

/// A chunk that was not kept. Nothing of it was; the rest of its batch is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Bytes before it are missing.
    #[error(
        "the chunk starts at byte {start}, but only {have} bytes before it have arrived: send from there"
    )]
    Gap {
        /// Where the chunk starts.
        start: u64,
        /// How many bytes of the stream there are.
        have: u64,
    },
    /// It is too long.
    #[error("the chunk has {bytes} bytes, more than the {CHUNK_LIMIT} allowed: send it in parts")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

impl Output {
    /// Opens the output of a data folder, and makes both if they are not there.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        make_folder(folder)?;
        let connection = open_writer(folder, OUTPUT)?;
        let reader = Reader::new(Arc::new(Pool::open(folder, OUTPUT)?));
        Ok(Self { connection, path: folder.join(OUTPUT.name), reader })
    }

    /// A handle for reading from any thread.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Keeps chunks, in one durable commit, and returns for each how long its stream is now.
    ///
    /// Bytes that are there already are passed over, so a chunk may come again or overlap. A chunk that is
    /// [`Refused`] does not hold up the others.
    ///
    /// # Errors
    ///
    /// If the file fails, nothing was kept; the same chunks may be given again.
    pub fn append(&mut self, chunks: &[Chunk]) -> Result<Vec<Result<u64, Refused>>, Fault> {
        if chunks.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = begin(&mut self.connection).at(&self.path)?;
        let kept = keep(&transaction, chunks).at(&self.path)?;
        transaction.commit().at(&self.path)?;
        Ok(kept)
    }

    /// Removes all output of a job and returns how many bytes it was.
    pub fn prune(&mut self, job: JobId) -> Result<u64, Fault> {
        let path = &self.path;
        let transaction = begin(&mut self.connection).at(path)?;
        let bytes = transaction
            .query_row(
                "SELECT coalesce(sum(length(bytes)), 0) FROM chunks WHERE job = ?1",
                [int(job.0)],
                |r| r.get(0),
            )
            .at(path)?;
        transaction.execute("DELETE FROM chunks WHERE job = ?1", [int(job.0)]).at(path)?;
        transaction.commit().at(path)?;
        Ok(bytes)
    }
}

fn keep(connection: &Connection, chunks: &[Chunk]) -> rusqlite::Result<Vec<Result<u64, Refused>>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO chunks (job, task, attempt, rank, stream, start, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut results = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if chunk.bytes.len() > CHUNK_LIMIT {
            results.push(Err(Refused::TooLong { bytes: chunk.bytes.len() }));
            continue;
        }
        let have = length(connection, chunk.rank, chunk.stream)?;
        let Some(known) = have.checked_sub(chunk.start) else {
            results.push(Err(Refused::Gap { start: chunk.start, have }));
            continue;
        };
        let new = usize::try_from(known)
            .ok()
            .and_then(|known| chunk.bytes.get(known..))
            .unwrap_or_default();
        if !new.is_empty() {
            let RankId { attempt: AttemptId { task, number }, rank } = chunk.rank;
            insert.execute((
                int(task.job.0),
                task.index,
                number,
                rank,
                chunk.stream.number(),
                int(have),
                new,
            ))?;
        }
        results.push(Ok(have + new.len() as u64));
    }
    Ok(results)
}

/// How many bytes of a stream there are.
pub(super) fn length(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
) -> rusqlite::Result<u64> {
    let mut query = connection.prepare_cached(
        "SELECT start + length(bytes) FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?5 AND stream = ?4
         ORDER BY start DESC LIMIT 1",
    )?;
    let RankId { attempt: AttemptId { task, number }, rank } = rank;
    let values = (int(task.job.0), task.index, number, stream.number(), rank);
    Ok(query.query_row(values, |row| row.get(0)).optional()?.unwrap_or_default())
}
