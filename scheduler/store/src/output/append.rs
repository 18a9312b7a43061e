//! Keeping output: a group commit, each byte once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repower_model::{AttemptId, RankId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

use super::read::Reader;
use super::schema::OUTPUT;
use super::{CHUNK_LIMIT, Chunk, Stream};
use crate::database::{FileError, begin, make_folder, open_writer};
use crate::fault::{At as _, Fault};
use crate::pool::Pool;
use crate::sql::{count, int};

/// The writer of the output of tasks.
#[derive(Debug)]
pub struct Output {
    // Dropped before `connection`: the last connection to close empties the write-ahead log, and only one that may
    // write can do that.
    reader: Reader,
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// The id of the next chunk. Never one that was there before: those who follow remember how far they are.
    next: i64,
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
        /// How many bytes of the stream there are, or will never come.
        have: u64,
    },
    /// It is too long.
    #[error("the chunk has {bytes} bytes, more than the {CHUNK_LIMIT} allowed: send it in parts")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

/// Room in the files of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spare {
    /// How many bytes of the file are free: chunks find room there although the disk is full.
    pub inside: u64,
    /// How many bytes are in the log: so many may have to be written once more, to their place.
    pub owed: u64,
}

impl Output {
    /// Opens the output of a data folder, and makes both if they are not there.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        make_folder(folder)?;
        let connection = open_writer(folder, OUTPUT)?;
        let reader = Reader::new(Arc::new(Pool::open(folder, OUTPUT)?));
        let path = folder.join(OUTPUT.name);
        let next = "SELECT coalesce(max(id), 0) + 1 FROM chunks";
        let next = connection.query_row(next, [], |row| row.get(0)).at(&path)?;
        Ok(Self { reader, connection, path, next })
    }

    /// A handle for reading from any thread.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// What can still be written where the disk is full, and what has still to be.
    pub fn spare(&self) -> Result<Spare, Fault> {
        let value =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let pages = value("freelist_count").at(&self.path)?;
        let inside = pages.saturating_mul(value("page_size").at(&self.path)?);
        // Without a log there is nothing in it.
        let log = self.path.with_extension("db-wal");
        let owed = std::fs::metadata(log).map_or(0, |log| log.len());
        Ok(Spare { inside, owed })
    }

    /// Brings what is in its log to its place, as far as nobody reads it there, and gives the room of the log back.
    pub fn settle(&mut self) -> Result<(), Fault> {
        // The answer says whether somebody reads; then it is done the next time.
        let settled = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        settled.at(&self.path)
    }

    /// Keeps chunks that came at `now`, in one durable commit, and returns for each how long its stream is now.
    ///
    /// Bytes that are there already are passed over, so a chunk may come again or overlap. A chunk that is
    /// [`Refused`] does not hold up the others. Of a stream with more than `bound` bytes the first half of the bound
    /// stays, and the second half is for the latest bytes, up to a chunk.
    ///
    /// # Errors
    ///
    /// If the file fails, nothing was kept; the same chunks may be given again.
    pub fn append(
        &mut self,
        chunks: &[Chunk],
        bound: u64,
        now: Timestamp,
    ) -> Result<Vec<Result<u64, Refused>>, Fault> {
        if chunks.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = begin(&mut self.connection).at(&self.path)?;
        let kept = keep(&transaction, chunks, &mut self.next).at(&self.path)?;
        let mut stored: BTreeMap<RankId, i64> = BTreeMap::new();
        let mut streams = BTreeSet::new();
        for (chunk, new) in chunks.iter().zip(&kept) {
            *stored.entry(chunk.rank).or_default() += new.stored;
            if new.length.is_ok_and(|length| length > bound) {
                streams.insert((chunk.rank, chunk.stream));
            }
        }
        for (rank, stream) in streams {
            let removed = cut(&transaction, rank, stream, bound).at(&self.path)?;
            *stored.entry(rank).or_default() -= removed;
        }
        note(&transaction, &stored, now).at(&self.path)?;
        transaction.commit().at(&self.path)?;
        Ok(kept.into_iter().map(|kept| kept.length).collect())
    }
}

/// What became of a chunk.
struct Kept {
    length: Result<u64, Refused>,
    stored: i64,
}

fn keep(connection: &Connection, chunks: &[Chunk], next: &mut i64) -> rusqlite::Result<Vec<Kept>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO chunks (id, job, task, attempt, rank, stream, start, bytes, length, missing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut results = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if chunk.bytes.len() > CHUNK_LIMIT {
            let length = Err(Refused::TooLong { bytes: chunk.bytes.len() });
            results.push(Kept { length, stored: 0 });
            continue;
        }
        let have = length(connection, chunk.rank, chunk.stream)?;
        if chunk.start.saturating_sub(chunk.missing) > have {
            let length = Err(Refused::Gap { start: chunk.start, have });
            results.push(Kept { length, stored: 0 });
            continue;
        }
        // Where the new bytes begin: behind what is there, and behind the gap.
        let start = have.max(chunk.start);
        let known = usize::try_from(start - chunk.start).ok();
        let new = known.and_then(|known| chunk.bytes.get(known..)).unwrap_or_default();
        if !new.is_empty() {
            let RankId { attempt: AttemptId { task, number }, rank } = chunk.rank;
            insert.execute((
                *next,
                int(task.job.0),
                task.index,
                number,
                rank,
                chunk.stream.number(),
                int(start),
                new,
                count(new.len()),
                int(start - have),
            ))?;
            *next += 1;
        }
        let length = if new.is_empty() { have } else { start + new.len() as u64 };
        results.push(Kept { length: Ok(length), stored: count(new.len()) });
    }
    Ok(results)
}

/// Removes what lies between the beginning and the end of a stream that has passed its bound, and says in the chunk
/// behind it how much that is. Returns how many bytes were stored of it.
fn cut(connection: &Connection, rank: RankId, stream: Stream, bound: u64) -> rusqlite::Result<i64> {
    let head = bound / 2;
    let end = length(connection, rank, stream)?;
    let before = end.saturating_sub(bound - head);
    let mut query = connection.prepare_cached(
        "SELECT id, length + missing, length(bytes), start + length FROM chunks
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5 AND start >= ?6 AND start < ?7
         ORDER BY start",
    )?;
    let RankId { attempt: AttemptId { task, number }, rank: of } = rank;
    let place = (int(task.job.0), task.index, number, of, stream.number());
    let (job, index, number, of, on) = place;
    let values = (job, index, number, of, on, int(head), int(before));
    let mut rows = query.query(values)?;
    let (mut ids, mut missing, mut stored, mut until) = (Vec::new(), 0_i64, 0_i64, None);
    while let Some(row) = rows.next()? {
        let last: i64 = row.get(3)?;
        if last > int(before) {
            break;
        }
        ids.push(row.get::<_, i64>(0)?);
        missing += row.get::<_, i64>(1)?;
        stored += row.get::<_, i64>(2)?;
        until = Some(last);
    }
    let Some(until) = until else { return Ok(0) };
    let mut delete = connection.prepare_cached("DELETE FROM chunks WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    let mut tell = connection.prepare_cached(
        "UPDATE chunks SET missing = missing + ?7
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5
             AND start = (SELECT min(start) FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4
                 AND stream = ?5 AND start >= ?6)",
    )?;
    tell.execute((job, index, number, of, on, until, missing))?;
    Ok(stored)
}

/// Notes who has printed.
fn note(
    connection: &Connection,
    stored: &BTreeMap<RankId, i64>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO printers (job, task, attempt, rank, bytes, at_ms) VALUES (?1, ?2, ?3, ?4, max(?5, 0), ?6)
         ON CONFLICT (job, task, attempt, rank) DO UPDATE SET bytes = max(bytes + ?5, 0), at_ms = ?6, state = 0",
    )?;
    for (rank, bytes) in stored.iter().filter(|(_, bytes)| **bytes != 0) {
        let RankId { attempt: AttemptId { task, number }, rank } = *rank;
        upsert.execute((int(task.job.0), task.index, number, rank, bytes, now.as_millis()))?;
    }
    Ok(())
}

/// How many bytes a stream has, with those that are missing.
pub(super) fn length(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
) -> rusqlite::Result<u64> {
    let mut query = connection.prepare_cached(
        "SELECT start + length FROM chunks WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?5 AND stream = ?4
         ORDER BY start DESC LIMIT 1",
    )?;
    let RankId { attempt: AttemptId { task, number }, rank } = rank;
    let values = (int(task.job.0), task.index, number, stream.number(), rank);
    Ok(query.query_row(values, |row| row.get(0)).optional()?.unwrap_or_default())
}
