//! The table `decisions`: who has cancelled, approved or denied which job.

use repower_model::{JobId, Timestamp};
use rusqlite::{Connection, Row};

use crate::rows::{DecisionRow, Verdict};
use crate::sql::{Columns, count, int};

pub(super) fn made(connection: &Connection, row: &DecisionRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO decisions (job, verdict, by, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            int(row.job.0),
            row.verdict.as_str(),
            &row.by,
            &row.reason,
            row.at.as_millis(),
        ))?;
    Ok(())
}

/// Those about a job, in the order in which they were made: at most `limit`, the latest.
pub(super) fn list(
    connection: &Connection,
    job: JobId,
    limit: usize,
) -> rusqlite::Result<Vec<DecisionRow>> {
    let mut query = connection.prepare_cached(
        "SELECT verdict, by, reason, at_ms FROM decisions WHERE job = ?1
         ORDER BY at_ms DESC, verdict DESC, by DESC, reason DESC LIMIT ?2",
    )?;
    let rows = query.query_map((int(job.0), count(limit)), |row| read(job, row))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.reverse();
    Ok(rows)
}

fn read(job: JobId, row: &Row<'_>) -> rusqlite::Result<DecisionRow> {
    let mut column = Columns::of(row);
    let word: String = column.next()?;
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word);
    let verdict = verdict.ok_or_else(|| column.unknown(&word))?;
    let (by, reason) = (column.next()?, column.next()?);
    Ok(DecisionRow { job, verdict, by, reason, at: Timestamp::from_millis(column.next()?) })
}
