//! The table `checkpoints`: what attempts have saved for the next ones.

use repower_model::{AttemptId, Hash, JobId, Stored, TaskId};
use rusqlite::{Connection, Row};

use crate::hex;
use crate::rows::CheckpointRow;
use crate::sql::{Columns, count, int};

pub(super) fn settled(connection: &Connection, row: &CheckpointRow) -> rusqlite::Result<()> {
    let AttemptId { task, number } = row.id;
    if row.kept.is_ok() {
        dropped(connection, task.job, Some(task.index))?;
    }
    let kept = row.kept.as_ref().ok();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO checkpoints (job, task, number, bytes, digest, problem, settled_ms, needed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            int(task.job.0),
            task.index,
            number,
            kept.map(|kept| int(kept.bytes)),
            kept.map(|kept| hex::of(&kept.digest.0)),
            row.kept.as_ref().err(),
            row.settled.as_millis(),
            row.needed && kept.is_some(),
        ))?;
    Ok(())
}

/// Nobody needs those of a task, or of a job, any more.
pub(super) fn dropped(
    connection: &Connection,
    job: JobId,
    index: Option<u32>,
) -> rusqlite::Result<()> {
    let (first, last) = index.map_or((0, u32::MAX), |index| (index, index));
    connection
        .prepare_cached(
            "UPDATE checkpoints SET needed = 0 WHERE job = ?1 AND task BETWEEN ?2 AND ?3 AND needed",
        )?
        .execute((int(job.0), first, last))?;
    Ok(())
}

/// Whether a task may still need what has this digest.
pub(super) fn refers(connection: &Connection, digest: Hash) -> rusqlite::Result<bool> {
    let mut query = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM checkpoints WHERE digest = ?1 AND needed)")?;
    query.query_row([hex::of(&digest.0)], |row| row.get(0))
}

/// Those of some tasks of a job, by task and attempt.
pub(super) fn list(
    connection: &Connection,
    job: JobId,
    (first, last): (u32, u32),
    limit: usize,
) -> rusqlite::Result<Vec<CheckpointRow>> {
    let mut query = connection.prepare_cached(
        "SELECT task, number, bytes, digest, problem, settled_ms, needed FROM checkpoints
         WHERE job = ?1 AND task BETWEEN ?2 AND ?3 ORDER BY task, number LIMIT ?4",
    )?;
    let rows = query.query_map((int(job.0), first, last, count(limit)), |row| read(job, row))?;
    rows.collect()
}

fn read(job: JobId, row: &Row<'_>) -> rusqlite::Result<CheckpointRow> {
    let mut column = Columns::of(row);
    let task = TaskId { job, index: column.next()? };
    let id = AttemptId { task, number: column.next()? };
    let bytes: Option<u64> = column.next()?;
    let text: Option<String> = column.next()?;
    let digest = text.map(|text| {
        let digest = hex::parse(&text).and_then(|bytes| bytes.try_into().ok());
        digest.map(Hash).ok_or_else(|| column.unknown(&text))
    });
    let digest = digest.transpose()?;
    let problem: Option<String> = column.next()?;
    let kept = match bytes.zip(digest) {
        Some((bytes, digest)) => Ok(Stored { digest, bytes }),
        None => Err(problem.unwrap_or_default()),
    };
    Ok(CheckpointRow { id, kept, settled: column.time()?, needed: column.next()? })
}
