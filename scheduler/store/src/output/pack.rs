//! Output at rest: compressed, in blocks from any of which reading can begin.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use repower_model::{RankId, Timestamp};
use rusqlite::Connection;
use rusqlite::types::{FromSqlError, Type};

use super::append::Output;
use super::read::{Piece, place};
use super::{CHUNK_LIMIT, Stream};
use crate::database::begin;
use crate::fault::{At as _, Fault};
use crate::sql::{count, int};

/// A part of a stream that follows without a gap, to be stored in the place of the chunks that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    rank: RankId,
    stream: Stream,
    start: u64,
    length: u64,
    /// Compressed, if that is shorter.
    bytes: Vec<u8>,
}

impl Block {
    /// How many bytes it is, as printed.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// A block, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The block.
    pub block: Block,
    /// The byte behind it.
    pub end: u64,
}

pub(super) fn pack(rank: RankId, stream: Stream, piece: &Piece) -> Packed {
    let length = piece.bytes.len() as u64;
    let packed = deflate(&piece.bytes);
    let bytes = if packed.len() < piece.bytes.len() { packed } else { piece.bytes.clone() };
    let start = piece.start;
    Packed { block: Block { rank, stream, start, length, bytes }, end: start + length }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(4));
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes whatever is written to it")
}

/// The next chunks of a stream, whole, as many as make one block.
pub(super) fn next(
    connection: &Connection,
    rank: RankId,
    stream: Stream,
    from: u64,
) -> rusqlite::Result<Piece> {
    let mut query = connection.prepare_cached(
        "SELECT start, bytes, length FROM chunks
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5 AND start >= ?6 ORDER BY start",
    )?;
    let (job, task, number, rank, stream) = place(rank, stream);
    let mut rows = query.query((job, task, number, rank, stream, int(from)))?;
    let mut piece = Piece { start: from, bytes: Vec::new() };
    while let Some(row) = rows.next()? {
        let start: u64 = row.get(0)?;
        let bytes = unpack(row.get_ref(1)?.as_blob()?, row.get(2)?)?;
        if piece.bytes.is_empty() {
            piece.start = start;
        } else if start != piece.start + piece.bytes.len() as u64
            || piece.bytes.len() + bytes.len() > CHUNK_LIMIT
        {
            break;
        }
        piece.bytes.extend_from_slice(&bytes);
    }
    Ok(piece)
}

/// The bytes as printed, of which there are `length`.
pub(super) fn unpack(stored: &[u8], length: u64) -> rusqlite::Result<Cow<'_, [u8]>> {
    if stored.len() as u64 >= length {
        return Ok(Cow::Borrowed(stored));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).min(CHUNK_LIMIT));
    // What is damaged cannot take more memory than it ought to.
    let read = DeflateDecoder::new(stored).take(length).read_to_end(&mut bytes);
    if read.is_ok_and(|read| read as u64 == length) {
        return Ok(Cow::Owned(bytes));
    }
    let damaged = FromSqlError::Other("compressed output cannot be read".into());
    Err(rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, damaged.into()))
}

impl Output {
    /// Puts blocks in the place of the chunks that they are made of, in one durable commit; of `done`, all output is
    /// compressed then, if nothing has come since `since`. A block whose chunks have changed meanwhile is passed over.
    /// Returns by how many bytes the file has less to hold.
    pub fn replace(
        &mut self,
        blocks: &[Block],
        done: &[RankId],
        since: Timestamp,
    ) -> Result<u64, Fault> {
        let transaction = begin(&mut self.connection).at(&self.path)?;
        let mut saved = 0;
        for block in blocks {
            saved += put(&transaction, block).at(&self.path)?;
        }
        for rank in done {
            finish(&transaction, *rank, since).at(&self.path)?;
        }
        transaction.commit().at(&self.path)?;
        Ok(saved)
    }

    /// More may come of these, though nothing has for a while: they count as if they had printed at `now`.
    pub fn touch(&mut self, ranks: &[RankId], now: Timestamp) -> Result<(), Fault> {
        let transaction = begin(&mut self.connection).at(&self.path)?;
        for rank in ranks {
            let (job, task, number, rank, _) = place(*rank, Stream::Stdout);
            let change = "UPDATE printers SET at_ms = ?5
                          WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND state = 0";
            let values = (job, task, number, rank, now.as_millis());
            transaction.execute(change, values).at(&self.path)?;
        }
        transaction.commit().at(&self.path)
    }

    /// Gives those of whom it is not known when they last printed this time for it.
    pub fn date(&mut self, now: Timestamp) -> Result<(), Fault> {
        let change = "UPDATE printers SET at_ms = ?1 WHERE at_ms < 0";
        self.connection.execute(change, [now.as_millis()]).at(&self.path)?;
        Ok(())
    }
}

fn put(connection: &Connection, block: &Block) -> rusqlite::Result<u64> {
    let (job, task, number, rank, stream) = place(block.rank, block.stream);
    let end = block.start + block.length;
    let mut query = connection.prepare_cached(
        "SELECT id, start, length, missing, length(bytes) FROM chunks
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND stream = ?5 AND start >= ?6 AND start < ?7
         ORDER BY start",
    )?;
    let mut rows = query.query((job, task, number, rank, stream, int(block.start), int(end)))?;
    let (mut ids, mut at, mut missing, mut stored) = (Vec::new(), block.start, 0_i64, 0_u64);
    while let Some(row) = rows.next()? {
        let (start, length, before): (u64, u64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let is_first = ids.is_empty();
        if start != at || (before != 0 && !is_first) {
            return Ok(0);
        }
        missing = if is_first { before } else { missing };
        ids.push(row.get::<_, i64>(0)?);
        at += length;
        stored += row.get::<_, u64>(4)?;
    }
    drop(rows);
    let size = block.bytes.len() as u64;
    if at != end || (size >= stored && ids.len() < 2) {
        return Ok(0);
    }
    let last = ids.iter().max().copied().unwrap_or_default();
    let mut delete = connection.prepare_cached("DELETE FROM chunks WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO chunks (id, job, task, attempt, rank, stream, start, bytes, length, missing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let (start, length) = (int(block.start), int(block.length));
    insert.execute((
        last,
        job,
        task,
        number,
        rank,
        stream,
        start,
        &block.bytes,
        length,
        missing,
    ))?;
    let saved = stored.saturating_sub(size);
    let mut note = connection.prepare_cached(
        "UPDATE printers SET bytes = max(bytes - ?5, 0)
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4",
    )?;
    note.execute((job, task, number, rank, count(usize::try_from(saved).unwrap_or(usize::MAX))))?;
    Ok(saved)
}

fn finish(connection: &Connection, rank: RankId, since: Timestamp) -> rusqlite::Result<()> {
    let (job, task, number, rank, _) = place(rank, Stream::Stdout);
    let mut note = connection.prepare_cached(
        "UPDATE printers SET state = 1
         WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND rank = ?4 AND state = 0 AND at_ms < ?5",
    )?;
    note.execute((job, task, number, rank, since.as_millis()))?;
    Ok(())
}
