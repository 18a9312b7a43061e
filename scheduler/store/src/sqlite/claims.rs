//! The table `claims`: what processes said last of their progress.

use repower_model::{AttemptId, Claim, Count, Fraction, JobId, Progress, RankId, TaskId};
use rusqlite::{Connection, Row};

use crate::rows::ClaimRow;
use crate::sql::{Columns, count, int};

pub(super) fn made(connection: &Connection, row: &ClaimRow) -> rusqlite::Result<()> {
    let RankId { attempt: AttemptId { task, number }, rank } = row.id;
    let progress = &row.progress;
    let done = progress.claim.as_ref().and_then(|claim| claim.done);
    let counted = progress.claim.as_ref().and_then(|claim| claim.count.as_ref());
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO claims (job, task, number, rank, done_ppm, unit, value, total,
                said_ms, changed_ms, first_ppm, first_ms, lines, bad_lines, mistake)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute((
            int(task.job.0),
            task.index,
            number,
            rank,
            done.map(Fraction::as_ppm),
            counted.map(|count| &count.unit),
            counted.map(|count| int(count.value)),
            counted.and_then(|count| count.total).map(int),
            progress.said.as_millis(),
            progress.changed.as_millis(),
            progress.first.map(|(first, _)| first.as_ppm()),
            progress.first.map(|(_, at)| at.as_millis()),
            int(progress.lines),
            int(progress.bad_lines),
            &progress.mistake,
        ))?;
    Ok(())
}

/// Those of some tasks of a job, by task, attempt and rank.
pub(super) fn list(
    connection: &Connection,
    job: JobId,
    (first, last): (u32, u32),
    limit: usize,
) -> rusqlite::Result<Vec<ClaimRow>> {
    let mut query = connection.prepare_cached(
        "SELECT task, number, rank, done_ppm, unit, value, total, said_ms, changed_ms, first_ppm, first_ms,
            lines, bad_lines, mistake
         FROM claims WHERE job = ?1 AND task BETWEEN ?2 AND ?3 ORDER BY task, number, rank LIMIT ?4",
    )?;
    let rows = query.query_map((int(job.0), first, last, count(limit)), |row| read(job, row))?;
    rows.collect()
}

fn read(job: JobId, row: &Row<'_>) -> rusqlite::Result<ClaimRow> {
    let mut column = Columns::of(row);
    let task = TaskId { job, index: column.next()? };
    let id = AttemptId { task, number: column.next()? }.rank(column.next()?);
    let done = column.next::<Option<u32>>()?.and_then(Fraction::from_ppm);
    let unit: Option<String> = column.next()?;
    let (value, total) = (column.next::<Option<u64>>()?, column.next()?);
    let count = unit.zip(value).map(|(unit, value)| Count { unit, value, total });
    let (said, changed) = (column.time()?, column.time()?);
    let first = column.next::<Option<u32>>()?.and_then(Fraction::from_ppm);
    let first = first.zip(column.time_if_any()?);
    let progress = Progress {
        claim: (done.is_some() || count.is_some()).then_some(Claim { done, count }),
        said,
        changed,
        first,
        lines: column.next()?,
        bad_lines: column.next()?,
        mistake: column.next()?,
    };
    Ok(ClaimRow { id, progress })
}
