//! Writing the projections.

use std::collections::BTreeSet;

use rusqlite::{CachedStatement, Connection, params};

use crate::rows::{
    AttemptEnded, AttemptId, AttemptPlaced, JobEnded, JobRow, JobState, NodeRow, Row,
};
use crate::sql::int;

/// Writes the rows in order.
pub(super) fn rows(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let whole = told_whole(rows);
    let mut statements = Statements::new(connection);
    for row in rows {
        match row {
            Row::JobSubmitted(job) => job_submitted(connection, job)?,
            Row::JobState {
                id,
                state,
                hold_reason,
                started_ms,
            } => {
                job_state(connection, *id, *state, hold_reason.as_deref(), *started_ms)?;
            }
            Row::JobEnded(ended) => job_ended(connection, ended)?,
            Row::AttemptPlaced(placed) if whole.contains(&placed.id) => {}
            Row::AttemptPlaced(placed) => attempt_placed(statements.placed.get()?, placed)?,
            Row::AttemptStarted { id, .. } if whole.contains(id) => {}
            Row::AttemptStarted { id, started_ms } => {
                attempt_started(statements.started.get()?, *id, *started_ms)?
            }
            Row::AttemptEnded(ended) => attempt_ended(statements.ended.get()?, ended)?,
            Row::Node(node) => self::node(connection, node)?,
        }
    }
    Ok(())
}

/// The attempts that begin and end in one batch: their last row says it all, and the earlier ones need no writing.
fn told_whole(rows: &[Row]) -> BTreeSet<AttemptId> {
    let begins = |row: &Row| matches!(row, Row::AttemptPlaced(_) | Row::AttemptStarted { .. });
    if !rows.iter().any(begins) {
        return BTreeSet::new();
    }
    let ends = rows.iter().filter_map(|row| match row {
        Row::AttemptEnded(ended) => ended.started_ms.map(|_| ended.placed.id),
        Row::JobSubmitted(_)
        | Row::JobState { .. }
        | Row::JobEnded(_)
        | Row::AttemptPlaced(_)
        | Row::AttemptStarted { .. }
        | Row::Node(_) => None,
    });
    ends.collect()
}

/// The statements that run once a task and more: each is taken out of the cache once a batch.
struct Statements<'c> {
    placed: Lazy<'c>,
    started: Lazy<'c>,
    ended: Lazy<'c>,
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> Self {
        let lazy = |sql| Lazy {
            connection,
            sql,
            statement: None,
        };
        Self {
            placed: lazy(PLACED),
            started: lazy(STARTED),
            ended: lazy(ENDED),
        }
    }
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
        Ok(self
            .statement
            .as_mut()
            .expect("it was prepared in the line before"))
    }
}

fn job_submitted(connection: &Connection, job: &JobRow) -> rusqlite::Result<()> {
    connection.prepare_cached(SUBMITTED)?.execute(params![
        int(job.id),
        job.key,
        job.name,
        job.class,
        job.tier,
        job.project,
        job.submitter,
        job.state.as_str(),
        job.hold_reason,
        job.exit_code,
        job.signal,
        int(job.tasks),
        int(job.succeeded),
        int(job.failed),
        int(job.cancelled),
        job.priority,
        job.submitted_ms,
        job.started_ms,
        job.ended_ms,
        job.policy_hash,
        job.spec,
    ])?;
    Ok(())
}

fn job_state(
    connection: &Connection,
    id: u64,
    state: JobState,
    hold_reason: Option<&str>,
    started_ms: Option<i64>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = ?2, hold_reason = ?3, started_ms = coalesce(?4, started_ms) WHERE id = ?1",
        )?
        .execute((int(id), state.as_str(), hold_reason, started_ms))?;
    Ok(())
}

fn job_ended(connection: &Connection, ended: &JobEnded) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = ?2, hold_reason = NULL, exit_code = ?3, signal = ?4, succeeded = ?5, failed = ?6,
                 cancelled = ?7, started_ms = coalesce(?8, started_ms), ended_ms = ?9
             WHERE id = ?1",
        )?
        .execute((
            int(ended.id),
            ended.state.as_str(),
            ended.exit_code,
            ended.signal,
            int(ended.succeeded),
            int(ended.failed),
            int(ended.cancelled),
            ended.started_ms,
            ended.ended_ms,
        ))?;
    Ok(())
}

fn attempt_placed(
    statement: &mut CachedStatement<'_>,
    placed: &AttemptPlaced,
) -> rusqlite::Result<()> {
    let AttemptPlaced {
        id: AttemptId { job, task, number },
        node_id,
        node,
        placed_ms,
    } = placed;
    statement.execute((
        int(*job),
        int(*task),
        int(*number),
        int(*node_id),
        node,
        placed_ms,
    ))?;
    Ok(())
}

fn attempt_started(
    statement: &mut CachedStatement<'_>,
    id: AttemptId,
    started_ms: i64,
) -> rusqlite::Result<()> {
    statement.execute((int(id.job), int(id.task), int(id.number), started_ms))?;
    Ok(())
}

fn attempt_ended(
    statement: &mut CachedStatement<'_>,
    ended: &AttemptEnded,
) -> rusqlite::Result<()> {
    let AttemptPlaced {
        id: AttemptId { job, task, number },
        node_id,
        node,
        placed_ms,
    } = &ended.placed;
    statement.execute(params![
        int(*job),
        int(*task),
        int(*number),
        int(*node_id),
        node,
        placed_ms,
        ended.started_ms,
        ended.ended_ms,
        ended.outcome,
        ended.exit_code,
        ended.signal,
        int(ended.used.wall_us),
        int(ended.used.cpu_us),
        int(ended.used.peak_memory_bytes),
        int(ended.printed.stdout_bytes),
        int(ended.printed.stderr_bytes),
        ended.printed.truncated,
        ended.detail,
    ])?;
    Ok(())
}

fn node(connection: &Connection, node: &NodeRow) -> rusqlite::Result<()> {
    connection.prepare_cached(NODE)?.execute(params![
        int(node.id),
        node.name,
        node.phase,
        int(node.cpus_milli),
        int(node.memory_bytes),
        node.isa,
        node.kernel,
        node.version,
        node.since_ms,
        node.reason,
    ])?;
    Ok(())
}

const SUBMITTED: &str = "
    INSERT INTO jobs (id, key, name, class, tier, project, submitter, state, hold_reason, exit_code, signal, tasks,
        succeeded, failed, cancelled, priority, submitted_ms, started_ms, ended_ms, policy_hash, spec)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
    ON CONFLICT (id) DO UPDATE SET key = excluded.key, name = excluded.name, class = excluded.class,
        tier = excluded.tier, project = excluded.project, submitter = excluded.submitter, state = excluded.state,
        hold_reason = excluded.hold_reason, exit_code = excluded.exit_code, signal = excluded.signal,
        tasks = excluded.tasks, succeeded = excluded.succeeded, failed = excluded.failed,
        cancelled = excluded.cancelled, priority = excluded.priority, submitted_ms = excluded.submitted_ms,
        started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, policy_hash = excluded.policy_hash,
        spec = excluded.spec";

const PLACED: &str = "
    INSERT INTO attempts (job, task, number, node_id, node, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET node_id = excluded.node_id, node = excluded.node, placed_ms = excluded.placed_ms";

const STARTED: &str =
    "UPDATE attempts SET started_ms = ?4 WHERE job = ?1 AND task = ?2 AND number = ?3";

const ENDED: &str = "
    INSERT INTO attempts (job, task, number, node_id, node, placed_ms, started_ms, ended_ms, outcome, exit_code, signal,
        wall_us, cpu_us, peak_memory_bytes, stdout_bytes, stderr_bytes, truncated, detail)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
    ON CONFLICT DO UPDATE SET node_id = excluded.node_id, node = excluded.node, placed_ms = excluded.placed_ms,
        started_ms = coalesce(excluded.started_ms, started_ms), ended_ms = excluded.ended_ms,
        outcome = excluded.outcome, exit_code = excluded.exit_code, signal = excluded.signal,
        wall_us = excluded.wall_us, cpu_us = excluded.cpu_us, peak_memory_bytes = excluded.peak_memory_bytes,
        stdout_bytes = excluded.stdout_bytes, stderr_bytes = excluded.stderr_bytes,
        truncated = excluded.truncated, detail = excluded.detail";

const NODE: &str = "
    INSERT INTO nodes (id, name, phase, cpus_milli, memory_bytes, isa, kernel, version, since_ms, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, phase = excluded.phase, cpus_milli = excluded.cpus_milli,
        memory_bytes = excluded.memory_bytes, isa = excluded.isa, kernel = excluded.kernel, version = excluded.version,
        since_ms = excluded.since_ms, reason = excluded.reason";
