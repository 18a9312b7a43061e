//! Reading the projections.

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};

use crate::rows::{
    AttemptEnded, AttemptId, AttemptPlaced, AttemptRow, CANCELLED, JobRow, JobState, NodeRow,
    Printed, SUCCEEDED, Used,
};
use crate::sql::{Columns, count, int};

/// Which jobs to list; what is `None` or empty does not filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those in one of these states.
    pub states: Vec<JobState>,
    /// Only those of this project.
    pub project: Option<String>,
    /// Only those of this class.
    pub class: Option<String>,
    /// Only those with this in their name; capital letters matter.
    pub name: Option<String>,
    /// Only those with a lower number: the next page after the last one seen.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

impl Default for JobFilter {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            project: None,
            class: None,
            name: None,
            before: None,
            limit: 100,
        }
    }
}

/// Which attempts of a job to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFilter {
    /// The first task.
    pub first_task: u64,
    /// The last task.
    pub last_task: u64,
    /// Only attempts that failed: neither succeeded, nor cancelled, nor going on.
    pub failed_only: bool,
    /// How many at most.
    pub limit: usize,
    /// How many to pass over.
    pub offset: usize,
}

impl Default for AttemptFilter {
    fn default() -> Self {
        Self {
            first_task: 0,
            last_task: u64::MAX,
            failed_only: false,
            limit: 1000,
            offset: 0,
        }
    }
}

const JOB: &str = "SELECT id, key, name, class, tier, project, submitter, state, hold_reason, exit_code, signal, tasks,
    succeeded, failed, cancelled, priority, submitted_ms, started_ms, ended_ms, policy_hash, spec FROM jobs";

pub(super) fn job(connection: &Connection, id: u64) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("{JOB} WHERE id = ?1"))?
        .query_row([int(id)], job_row)
        .optional()
}

pub(super) fn job_by_key(
    connection: &Connection,
    key: &[u8; 16],
) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("{JOB} WHERE key = ?1"))?
        .query_row([key], job_row)
        .optional()
}

pub(super) fn jobs(connection: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<JobRow>> {
    let mut terms = vec!["id < ?".to_owned()];
    let mut values = vec![Value::Integer(filter.before.map_or(i64::MAX, int))];
    if !filter.states.is_empty() {
        terms.push(format!(
            "state IN ({})",
            vec!["?"; filter.states.len()].join(", ")
        ));
        values.extend(
            filter
                .states
                .iter()
                .map(|state| Value::Text(state.as_str().to_owned())),
        );
    }
    for (term, value) in [
        ("project = ?", &filter.project),
        ("class = ?", &filter.class),
        ("instr(name, ?) > 0", &filter.name),
    ] {
        if let Some(value) = value {
            terms.push(term.to_owned());
            values.push(Value::Text(value.clone()));
        }
    }
    values.push(Value::Integer(count(filter.limit)));
    let query = format!(
        "{JOB} WHERE {} ORDER BY id DESC LIMIT ?",
        terms.join(" AND ")
    );
    connection
        .prepare_cached(&query)?
        .query_map(params_from_iter(values), job_row)?
        .collect()
}

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let mut column = Columns::of(row);
    Ok(JobRow {
        id: column.next()?,
        key: column.next()?,
        name: column.next()?,
        class: column.next()?,
        tier: column.next()?,
        project: column.next()?,
        submitter: column.next()?,
        state: job_state(&column.next::<String>()?)?,
        hold_reason: column.next()?,
        exit_code: column.next()?,
        signal: column.next()?,
        tasks: column.next()?,
        succeeded: column.next()?,
        failed: column.next()?,
        cancelled: column.next()?,
        priority: column.next()?,
        submitted_ms: column.next()?,
        started_ms: column.next()?,
        ended_ms: column.next()?,
        policy_hash: column.next()?,
        spec: column.next()?,
    })
}

fn job_state(word: &str) -> rusqlite::Result<JobState> {
    JobState::from_word(word)
        .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("state `{word}`")))
}

pub(super) fn attempts(
    connection: &Connection,
    job: u64,
    filter: &AttemptFilter,
) -> rusqlite::Result<Vec<AttemptRow>> {
    let failed = if filter.failed_only { FAILED } else { "TRUE" };
    let query = format!(
        "SELECT job, task, number, node_id, node, placed_ms, started_ms, ended_ms, outcome, exit_code, signal, wall_us,
             cpu_us, peak_memory_bytes, stdout_bytes, stderr_bytes, truncated, detail FROM attempts
         WHERE job = ?1 AND task BETWEEN ?2 AND ?3 AND {failed} ORDER BY task, number LIMIT ?4 OFFSET ?5"
    );
    let values = (
        int(job),
        int(filter.first_task),
        int(filter.last_task),
        count(filter.limit),
        count(filter.offset),
    );
    connection
        .prepare_cached(&query)?
        .query_map(values, attempt_row)?
        .collect()
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let mut column = Columns::of(row);
    let id = AttemptId {
        job: column.next()?,
        task: column.next()?,
        number: column.next()?,
    };
    let placed = AttemptPlaced {
        id,
        node_id: column.next()?,
        node: column.next()?,
        placed_ms: column.next()?,
    };
    let started_ms = column.next()?;
    let Some(ended_ms) = column.next()? else {
        return Ok(AttemptRow {
            placed,
            started_ms,
            ended: None,
        });
    };
    let ended = AttemptEnded {
        placed: placed.clone(),
        outcome: column.next()?,
        exit_code: column.next()?,
        signal: column.next()?,
        started_ms,
        ended_ms,
        used: Used {
            wall_us: column.next()?,
            cpu_us: column.next()?,
            peak_memory_bytes: column.next()?,
        },
        printed: Printed {
            stdout_bytes: column.next()?,
            stderr_bytes: column.next()?,
            truncated: column.next()?,
        },
        detail: column.next()?,
    };
    Ok(AttemptRow {
        placed,
        started_ms,
        ended: Some(ended),
    })
}

/// What the outcome of a failed attempt looks like.
const FAILED: &str = "outcome IS NOT NULL AND outcome NOT IN ('succeeded', 'cancelled')";

pub(super) fn failed_tasks(connection: &Connection, job: u64) -> rusqlite::Result<Vec<(u64, u64)>> {
    debug_assert!(FAILED.contains(SUCCEEDED) && FAILED.contains(CANCELLED));
    // SQLite takes `outcome` from the row that has the maximum.
    let mut query = connection.prepare_cached(&format!(
        "SELECT task FROM (SELECT task, max(number), outcome FROM attempts WHERE job = ?1 GROUP BY task)
         WHERE {FAILED} ORDER BY task"
    ))?;
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for task in query.query_map([int(job)], |row| row.get::<_, u64>(0))? {
        let task = task?;
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == task => *last = task,
            _ => ranges.push((task, task)),
        }
    }
    Ok(ranges)
}

const NODE: &str = "SELECT id, name, phase, cpus_milli, memory_bytes, isa, kernel, version, since_ms, reason FROM nodes";

pub(super) fn node(connection: &Connection, name: &str) -> rusqlite::Result<Option<NodeRow>> {
    connection
        .prepare_cached(&format!("{NODE} WHERE name = ?1"))?
        .query_row([name], node_row)
        .optional()
}

pub(super) fn nodes(connection: &Connection) -> rusqlite::Result<Vec<NodeRow>> {
    connection
        .prepare_cached(&format!("{NODE} ORDER BY name"))?
        .query_map([], node_row)?
        .collect()
}

fn node_row(row: &Row<'_>) -> rusqlite::Result<NodeRow> {
    let mut column = Columns::of(row);
    Ok(NodeRow {
        id: column.next()?,
        name: column.next()?,
        phase: column.next()?,
        cpus_milli: column.next()?,
        memory_bytes: column.next()?,
        isa: column.next()?,
        kernel: column.next()?,
        version: column.next()?,
        since_ms: column.next()?,
        reason: column.next()?,
    })
}
