//! The table `attempts`.

use repower_model::{
    AttemptId, Fault, IndexRange, JobId, NodeId, Outcome, TaskId, Timestamp, Usage,
};
use rusqlite::{CachedStatement, Connection, Row, params};

use super::words;
use crate::rows::{AttemptEnded, AttemptPlaced, AttemptRow};
use crate::sql::{Columns, count, int, ms};

/// Which attempts of a job to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFilter {
    /// The first task.
    pub first_task: u32,
    /// The last task.
    pub last_task: u32,
    /// Only attempts that ended by somebody's fault.
    pub failed_only: bool,
    /// How many at most.
    pub limit: usize,
    /// How many to pass over.
    pub offset: usize,
}

impl Default for AttemptFilter {
    fn default() -> Self {
        Self { first_task: 0, last_task: u32::MAX, failed_only: false, limit: 1000, offset: 0 }
    }
}

/// Writes rows. Its statements run once a task or more, so each is taken out of the cache once a batch.
pub(super) struct Writer<'c> {
    placed: Lazy<'c>,
    started: Lazy<'c>,
    ended: Lazy<'c>,
}

struct Lazy<'c> {
    connection: &'c Connection,
    sql: &'static str,
    statement: Option<CachedStatement<'c>>,
}

impl<'c> Lazy<'c> {
    fn get(&mut self) -> rusqlite::Result<&mut CachedStatement<'c>> {
        if self.statement.is_none() {
            self.statement = Some(self.connection.prepare_cached(self.sql)?);
        }
        Ok(self.statement.as_mut().expect("it was prepared in the line before"))
    }
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        let lazy = |sql| Lazy { connection, sql, statement: None };
        Self { placed: lazy(PLACED), started: lazy(STARTED), ended: lazy(ENDED) }
    }

    pub(super) fn placed(&mut self, placed: &AttemptPlaced) -> rusqlite::Result<()> {
        let AttemptPlaced { id: AttemptId { task, number }, node, node_name, placed } = placed;
        let (job, index) = (int(task.job.0), task.index);
        self.placed.get()?.execute((job, index, number, node.0, node_name, placed.as_millis()))?;
        Ok(())
    }

    pub(super) fn started(&mut self, id: AttemptId, started: Timestamp) -> rusqlite::Result<()> {
        let AttemptId { task, number } = id;
        self.started.get()?.execute((int(task.job.0), task.index, number, started.as_millis()))?;
        Ok(())
    }

    pub(super) fn ended(&mut self, ended: &AttemptEnded) -> rusqlite::Result<()> {
        let AttemptPlaced { id: AttemptId { task, number }, node, node_name, placed } =
            &ended.placed;
        let (exit_code, signal, detail) = words::parts(&ended.outcome);
        let usage = &ended.usage;
        self.ended.get()?.execute(params![
            int(task.job.0),
            task.index,
            number,
            node.0,
            node_name,
            placed.as_millis(),
            ms(ended.started),
            ended.ended.as_millis(),
            ended.outcome.code(),
            exit_code,
            signal,
            words::fault(ended.fault),
            words::sequel(ended.sequel),
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
}

pub(super) fn list(
    connection: &Connection,
    job: JobId,
    filter: &AttemptFilter,
) -> rusqlite::Result<Vec<AttemptRow>> {
    let failed = if filter.failed_only { "fault <> 'none'" } else { "TRUE" };
    let query = format!(
        "SELECT task, number, node_id, node, placed_ms, started_ms, ended_ms, outcome, exit_code, signal, detail, fault,
             sequel, wall_us, cpu_us, peak_memory_bytes, stdout_bytes, stderr_bytes, truncated,
             read_bytes, written_bytes, oom_kills
         FROM attempts WHERE job = ?1 AND task BETWEEN ?2 AND ?3 AND {failed}
         ORDER BY task, number LIMIT ?4 OFFSET ?5"
    );
    let values = (
        int(job.0),
        filter.first_task,
        filter.last_task,
        count(filter.limit),
        count(filter.offset),
    );
    connection.prepare_cached(&query)?.query_map(values, |row| attempt(job, row))?.collect()
}

fn attempt(job: JobId, row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let mut column = Columns::of(row);
    let task = TaskId { job, index: column.next()? };
    let id = AttemptId { task, number: column.next()? };
    let (node, node_name) = (NodeId(column.next()?), column.next()?);
    let placed = AttemptPlaced { id, node, node_name, placed: column.time()? };
    let started = column.time_if_any()?;
    let Some(ended) = column.time_if_any()? else {
        return Ok(AttemptRow { placed, started, ended: None });
    };
    let code: String = column.next()?;
    let (exit_code, signal, detail) = (column.next()?, column.next()?, column.next()?);
    let outcome: Outcome =
        words::outcome(&code, exit_code, signal, detail).ok_or_else(|| column.unknown(&code))?;
    let fault: Fault = column.word(words::fault_of)?;
    let sequel = column.word(words::sequel_of)?;
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
    let ended =
        AttemptEnded { placed: placed.clone(), outcome, fault, sequel, started, ended, usage };
    Ok(AttemptRow { placed, started, ended: Some(ended) })
}

/// Whether an attempt that failed its task has ended for want of memory.
pub(super) fn ran_out_of_memory(connection: &Connection, job: JobId) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE job = ?1 AND outcome = ?2 AND sequel = ?3)",
    )?;
    let failed = words::sequel(repower_model::Sequel::Failed);
    query.query_row((int(job.0), Outcome::OutOfMemory.code(), failed), |row| row.get(0))
}

/// The tasks whose newest attempt ended them as failed.
pub(super) fn failed_tasks(
    connection: &Connection,
    job: JobId,
) -> rusqlite::Result<Vec<IndexRange>> {
    // SQLite takes `sequel` from the row that has the maximum.
    let mut query = connection.prepare_cached(
        "SELECT task FROM (SELECT task, max(number), sequel FROM attempts WHERE job = ?1 GROUP BY task)
         WHERE sequel = 'failed' ORDER BY task",
    )?;
    let mut ranges: Vec<IndexRange> = Vec::new();
    for task in query.query_map([int(job.0)], |row| row.get::<_, u32>(0))? {
        let task = task?;
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(task) => range.last = task,
            _ => ranges.push(IndexRange { first: task, last: task, step: 1 }),
        }
    }
    Ok(ranges)
}

const PLACED: &str = "
    INSERT INTO attempts (job, task, number, node_id, node, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET node_id = excluded.node_id, node = excluded.node, placed_ms = excluded.placed_ms";

const STARTED: &str =
    "UPDATE attempts SET started_ms = ?4 WHERE job = ?1 AND task = ?2 AND number = ?3";

const ENDED: &str = "
    INSERT INTO attempts (job, task, number, node_id, node, placed_ms, started_ms, ended_ms, outcome, exit_code, signal,
        fault, sequel, wall_us, cpu_us, peak_memory_bytes, stdout_bytes, stderr_bytes, truncated, detail,
        read_bytes, written_bytes, oom_kills)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?22, ?23)
    ON CONFLICT DO UPDATE SET node_id = excluded.node_id, node = excluded.node, placed_ms = excluded.placed_ms,
        started_ms = coalesce(excluded.started_ms, started_ms), ended_ms = excluded.ended_ms,
        outcome = excluded.outcome, exit_code = excluded.exit_code, signal = excluded.signal,
        fault = excluded.fault, sequel = excluded.sequel, wall_us = excluded.wall_us, cpu_us = excluded.cpu_us,
        peak_memory_bytes = excluded.peak_memory_bytes, stdout_bytes = excluded.stdout_bytes,
        stderr_bytes = excluded.stderr_bytes, truncated = excluded.truncated, detail = excluded.detail,
        read_bytes = excluded.read_bytes, written_bytes = excluded.written_bytes, oom_kills = excluded.oom_kills";
