//! Reading facts and heads.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::journal::{Head, ReadError, SignedHead, StoredEntry};
use crate::merkle::Hash;
use crate::sql::{Columns, count, int};

const HEAD: &str = "size, at_ms, root, note";

fn signed_head(row: &Row<'_>) -> rusqlite::Result<SignedHead> {
    let mut column = Columns::of(row);
    let (size, at, root) = (column.next()?, column.time()?, column.next()?);
    Ok(SignedHead { head: Head { size, root, at }, note: column.next()? })
}

pub(super) fn latest_head(connection: &Connection) -> rusqlite::Result<Option<SignedHead>> {
    let mut query = connection.prepare_cached(&format!("SELECT {HEAD} FROM newest_head"))?;
    query.query_row([], signed_head).optional()
}

pub(super) fn head_and_frontier(
    connection: &Connection,
) -> rusqlite::Result<Option<(SignedHead, Vec<u8>)>> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {HEAD}, frontier FROM newest_head"))?;
    query.query_row([], |row| Ok((signed_head(row)?, row.get(4)?))).optional()
}

pub(super) fn last_kept(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {HEAD} FROM kept_heads ORDER BY size DESC LIMIT 1"))?;
    Ok(query.query_row([], signed_head).optional()?.map(|signed| signed.head))
}

pub(super) fn heads(
    connection: &Connection,
    limit: usize,
    before: Option<u64>,
) -> rusqlite::Result<Vec<SignedHead>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {HEAD} FROM (SELECT {HEAD} FROM kept_heads UNION SELECT {HEAD} FROM newest_head)
         WHERE size < ?1 ORDER BY size DESC LIMIT ?2"
    ))?;
    let before = before.map_or(i64::MAX, int);
    query.query_map((before, count(limit)), signed_head)?.collect()
}

/// How many facts there are, if none is missing.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT coalesce(max(seq) + 1, 0) FROM facts", [], |row| row.get(0))
}

pub(super) fn entries(
    connection: &Connection,
    from_seq: u64,
    limit: usize,
) -> rusqlite::Result<Vec<StoredEntry>> {
    let mut query = connection.prepare_cached(
        "SELECT seq, body, leaf FROM facts WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
    )?;
    let entry = |row: &Row<'_>| {
        let mut column = Columns::of(row);
        Ok(StoredEntry { seq: column.next()?, body: column.next()?, leaf: column.next()? })
    };
    query.query_map((int(from_seq), count(limit)), entry)?.collect()
}

pub(super) fn leaf(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Hash>> {
    let mut query = connection.prepare_cached("SELECT leaf FROM facts WHERE seq = ?1")?;
    query.query_row([int(seq)], |row| row.get(0)).optional()
}

/// The leaves of the facts below `size`, with their numbers.
pub(super) fn leaf_hashes(
    connection: &Connection,
    size: u64,
) -> rusqlite::Result<Vec<(u64, Hash)>> {
    let mut query =
        connection.prepare_cached("SELECT seq, leaf FROM facts WHERE seq < ?1 ORDER BY seq")?;
    query.query_map([int(size)], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Checks that the leaves are those of the facts `0..size` without a gap.
pub(super) fn complete(leaves: Vec<(u64, Hash)>, size: u64) -> Result<Vec<Hash>, ReadError> {
    let has = leaves.len() as u64;
    let leaves = (0..).zip(leaves).map(|(expected, (seq, leaf))| {
        if seq == expected { Ok(leaf) } else { Err(ReadError::Missing { seq: expected }) }
    });
    let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
    if has < size { Err(ReadError::TooShort { asked: size, has }) } else { Ok(leaves) }
}
