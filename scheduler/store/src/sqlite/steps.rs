//! The table `stop_steps`: signals that ended processes which were stopped.

use repower_model::{AttemptId, RankId, StopCause, StopStep, TaskId, Timestamp};
use rusqlite::{Connection, Row};

use crate::rows::StepTaken;
use crate::sql::{Columns, count, int};

pub(super) fn taken(connection: &Connection, taken: &StepTaken) -> rusqlite::Result<()> {
    let RankId { attempt: AttemptId { task, number }, rank } = taken.id;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO stop_steps (job, task, number, rank, step, cause, signal, taken_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            int(task.job.0),
            task.index,
            number,
            rank,
            StopStep::ALL.iter().position(|step| *step == taken.step).unwrap_or_default(),
            taken.cause.as_str(),
            taken.signal,
            taken.taken.as_millis(),
        ))?;
    Ok(())
}

/// The steps of a task's attempts, by attempt, rank and step: at most `limit`, those of the latest attempts.
pub(super) fn latest(
    connection: &Connection,
    task: TaskId,
    limit: usize,
) -> rusqlite::Result<Vec<StepTaken>> {
    let mut query = connection.prepare_cached(
        "SELECT number, rank, step, cause, signal, taken_ms FROM stop_steps
         WHERE job = ?1 AND task = ?2 ORDER BY number DESC, rank DESC, step DESC LIMIT ?3",
    )?;
    let rows =
        query.query_map((int(task.job.0), task.index, count(limit)), |row| read(task, row))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.reverse();
    Ok(rows)
}

fn read(task: TaskId, row: &Row<'_>) -> rusqlite::Result<StepTaken> {
    let mut column = Columns::of(row);
    let id = AttemptId { task, number: column.next()? }.rank(column.next()?);
    let at: usize = column.next()?;
    let step = StopStep::ALL.get(at).copied();
    let step = step.ok_or_else(|| column.unknown(&at.to_string()))?;
    let word: String = column.next()?;
    let cause = StopCause::ALL.into_iter().find(|cause| cause.as_str() == word);
    let cause = cause.ok_or_else(|| column.unknown(&word))?;
    let signal = column.next()?;
    Ok(StepTaken { id, step, cause, signal, taken: Timestamp::from_millis(column.next()?) })
}
