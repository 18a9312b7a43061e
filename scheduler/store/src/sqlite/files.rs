//! The tables `inputs`, `outputs` and `collections`: files of jobs.

use repower_model::{Artefact, AttemptId, Hash, JobId, RankId, TaskId, Timestamp};
use rusqlite::{Connection, Row};

use crate::hex;
use crate::rows::Collection;
use crate::sql::{Columns, count, int};

pub(super) fn given(
    connection: &Connection,
    job: JobId,
    inputs: &[Artefact],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO inputs (job, path, bytes, digest) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for Artefact { path, bytes, digest } in inputs {
        insert.execute((int(job.0), path, int(*bytes), hex::of(&digest.0)))?;
    }
    Ok(())
}

pub(super) fn kept(connection: &Connection, kept: &Collection) -> rusqlite::Result<()> {
    let RankId { attempt: AttemptId { task, number }, rank } = kept.id;
    let job = int(task.job.0);
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO outputs (job, task, number, rank, path, bytes, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for Artefact { path, bytes, digest } in &kept.artefacts {
        let values = (job, task.index, number, rank, path, int(*bytes), hex::of(&digest.0));
        insert.execute(values)?;
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO collections (job, task, number, rank, missing) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((job, task.index, number, rank, kept.missing.join("\n")))?;
    Ok(())
}

/// The collections of a job from a place on, by task and rank: of each task that of the latest attempt which had one.
pub(super) fn list(
    connection: &Connection,
    job: JobId,
    index: Option<u32>,
    after: Option<(u32, u32)>,
    limit: usize,
) -> rusqlite::Result<Vec<Collection>> {
    let (first, last) = index.map_or((0, u32::MAX), |index| (index, index));
    let (task, rank) = after.map_or((-1, -1), |(task, rank)| (i64::from(task), i64::from(rank)));
    let mut query = connection.prepare_cached(
        "SELECT task, number, rank, missing FROM collections AS one
         WHERE job = ?1 AND task BETWEEN ?2 AND ?3 AND (task, rank) > (?4, ?5)
           AND number = (SELECT max(number) FROM collections WHERE job = ?1 AND task = one.task)
         ORDER BY task, rank LIMIT ?6",
    )?;
    let rows = query.query_map((int(job.0), first, last, task, rank, count(limit)), |row| {
        let mut column = Columns::of(row);
        let task = TaskId { job, index: column.next()? };
        let id = AttemptId { task, number: column.next()? }.rank(column.next()?);
        let missing: String = column.next()?;
        let missing = missing.lines().map(str::to_owned).collect();
        Ok(Collection { id, artefacts: Vec::new(), missing })
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut query = connection.prepare_cached(
        "SELECT path, bytes, digest FROM outputs WHERE job = ?1 AND task = ?2 AND number = ?3 AND rank = ?4 ORDER BY path",
    )?;
    for row in &mut rows {
        let RankId { attempt: AttemptId { task, number }, rank } = row.id;
        let found = query.query_map((int(job.0), task.index, number, rank), artefact)?;
        row.artefacts = found.collect::<rusqlite::Result<_>>()?;
    }
    Ok(rows)
}

fn artefact(row: &Row<'_>) -> rusqlite::Result<Artefact> {
    let mut column = Columns::of(row);
    let (path, bytes) = (column.next()?, column.next()?);
    let text: String = column.next()?;
    let digest = hex::parse(&text).and_then(|bytes| bytes.try_into().ok());
    let digest = Hash(digest.ok_or_else(|| column.unknown(&text))?);
    Ok(Artefact { path, bytes, digest })
}

/// Whether an artefact is an output of any job, evidence of a finding, or an input of a job that has not ended, or not
/// before this.
pub(super) fn refers(
    connection: &Connection,
    digest: Hash,
    inputs_since: Timestamp,
) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outputs WHERE digest = ?1)
             OR EXISTS (SELECT 1 FROM evidence WHERE digest = ?1)
             OR EXISTS (SELECT 1 FROM inputs JOIN jobs ON jobs.id = inputs.job
                        WHERE digest = ?1 AND (ended_ms IS NULL OR ended_ms >= ?2))",
    )?;
    query.query_row((hex::of(&digest.0), inputs_since.as_millis()), |row| row.get(0))
}
