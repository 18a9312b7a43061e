//! The table `ranks`: the processes of gangs.

use repower_model::{AttemptId, NodeId, RankId, TaskId, Timestamp, Usage};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::words;
use crate::rows::{RankEnded, RankRow};
use crate::sql::{Columns, count, int, ms};

pub(super) fn placed(
    connection: &Connection,
    id: RankId,
    node: NodeId,
    node_name: &str,
) -> rusqlite::Result<()> {
    let (job, task, number, rank) = key(id);
    connection
        .prepare_cached(
            "INSERT INTO ranks (job, task, number, rank, node_id, node) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET node_id = excluded.node_id, node = excluded.node",
        )?
        .execute((job, task, number, rank, node.0, node_name))?;
    Ok(())
}

pub(super) fn started(
    connection: &Connection,
    id: RankId,
    started: Timestamp,
) -> rusqlite::Result<()> {
    let (job, task, number, rank) = key(id);
    connection
        .prepare_cached(
            "UPDATE ranks SET started_ms = ?5 WHERE job = ?1 AND task = ?2 AND number = ?3 AND rank = ?4",
        )?
        .execute((job, task, number, rank, started.as_millis()))?;
    Ok(())
}

pub(super) fn ended(
    connection: &Connection,
    id: RankId,
    ended: &RankEnded,
) -> rusqlite::Result<()> {
    let (job, task, number, rank) = key(id);
    let (exit_code, signal, detail) = words::parts(&ended.outcome);
    let usage = &ended.usage;
    connection
        .prepare_cached(
            "UPDATE ranks SET started_ms = coalesce(?5, started_ms), ended_ms = ?6, outcome = ?7, exit_code = ?8,
                 signal = ?9, wall_us = ?10, cpu_us = ?11, peak_memory_bytes = ?12, stdout_bytes = ?13,
                 stderr_bytes = ?14, truncated = ?15, detail = ?16,
                 read_bytes = ?17, written_bytes = ?18, oom_kills = ?19
             WHERE job = ?1 AND task = ?2 AND number = ?3 AND rank = ?4",
        )?
        .execute(params![
            job,
            task,
            number,
            rank,
            ms(ended.started),
            ended.ended.as_millis(),
            ended.outcome.code(),
            exit_code,
            signal,
            int(usage.wall_us),
            int(usage.cpu_us),
            int(usage.peak_memory_bytes),
            int(usage.stdout_bytes),
            int(usage.stderr_bytes),
            usage.truncated,
            detail,
            int(usage.read_bytes),
            int(usage.written_bytes),
            int(usage.oom_kills),
        ])?;
    Ok(())
}

const COLUMNS: &str =
    "number, rank, node_id, node, started_ms, ended_ms, outcome, exit_code, signal, detail,
    wall_us, cpu_us, peak_memory_bytes, stdout_bytes, stderr_bytes, truncated,
    read_bytes, written_bytes, oom_kills";

/// The ranks of a task's latest attempts, by attempt and rank.
pub(super) fn latest(
    connection: &Connection,
    task: TaskId,
    limit: usize,
) -> rusqlite::Result<Vec<RankRow>> {
    let query = format!(
        "SELECT {COLUMNS} FROM ranks WHERE job = ?1 AND task = ?2 ORDER BY number DESC, rank DESC LIMIT ?3"
    );
    let mut query = connection.prepare_cached(&query)?;
    let rows =
        query.query_map((int(task.job.0), task.index, count(limit)), |row| rank(task, row))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.reverse();
    Ok(rows)
}

pub(super) fn by_id(connection: &Connection, id: RankId) -> rusqlite::Result<Option<RankRow>> {
    let query = format!(
        "SELECT {COLUMNS} FROM ranks WHERE job = ?1 AND task = ?2 AND number = ?3 AND rank = ?4"
    );
    let mut query = connection.prepare_cached(&query)?;
    query.query_row(key(id), |row| rank(id.attempt.task, row)).optional()
}

fn rank(task: TaskId, row: &Row<'_>) -> rusqlite::Result<RankRow> {
    let mut column = Columns::of(row);
    let attempt = AttemptId { task, number: column.next()? };
    let id = attempt.rank(column.next()?);
    let (node, node_name) = (NodeId(column.next()?), column.next()?);
    let started = column.time_if_any()?;
    let Some(ended) = column.time_if_any()? else {
        return Ok(RankRow { id, node, node_name, started, ended: None });
    };
    let code: String = column.next()?;
    let (exit_code, signal, detail) = (column.next()?, column.next()?, column.next()?);
    let outcome =
        words::outcome(&code, exit_code, signal, detail).ok_or_else(|| column.unknown(&code))?;
    let usage = Usage {
        wall_us: column.next()?,
        cpu_us: column.next()?,
        peak_memory_bytes: column.next()?,
        stdout_bytes: column.next()?,
        stderr_bytes: column.next()?,
        truncated: column.next()?,
        read_bytes: column.next()?,
        written_bytes: column.next()?,
        oom_kills: column.next()?,
    };
    let ended = RankEnded { outcome, usage, started, ended };
    Ok(RankRow { id, node, node_name, started, ended: Some(ended) })
}

fn key(id: RankId) -> (i64, u32, u32, u32) {
    let RankId { attempt: AttemptId { task, number }, rank } = id;
    (int(task.job.0), task.index, number, rank)
}
