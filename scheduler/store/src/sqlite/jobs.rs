//! The table `jobs`.

use repower_model::{JobId, JobState, Key, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter, types::Value};

use super::words;
use crate::rows::{JobEnded, JobRow};
use crate::sql::{Columns, count, int, ms};

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
    pub before: Option<JobId>,
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

pub(super) fn submitted(connection: &Connection, job: &JobRow) -> rusqlite::Result<()> {
    connection.prepare_cached(SUBMITTED)?.execute(params![
        int(job.id.0),
        job.key.0,
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
        job.submitted.as_millis(),
        ms(job.started),
        ms(job.ended),
        job.policy_hash,
        job.spec,
    ])?;
    Ok(())
}

pub(super) fn state(
    connection: &Connection,
    id: JobId,
    state: JobState,
    hold_reason: Option<&str>,
    started: Option<Timestamp>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = ?2, hold_reason = ?3, started_ms = coalesce(?4, started_ms) WHERE id = ?1",
        )?
        .execute((int(id.0), state.as_str(), hold_reason, ms(started)))?;
    Ok(())
}

pub(super) fn ended(connection: &Connection, ended: &JobEnded) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = ?2, hold_reason = NULL, exit_code = ?3, signal = ?4, succeeded = ?5, failed = ?6,
                 cancelled = ?7, started_ms = coalesce(?8, started_ms), ended_ms = ?9
             WHERE id = ?1",
        )?
        .execute((
            int(ended.id.0),
            ended.state.as_str(),
            ended.exit_code,
            ended.signal,
            int(ended.succeeded),
            int(ended.failed),
            int(ended.cancelled),
            ms(ended.started),
            ended.ended.as_millis(),
        ))?;
    Ok(())
}

pub(super) fn by_id(connection: &Connection, id: JobId) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
        .query_row([int(id.0)], row)
        .optional()
}

pub(super) fn by_key(connection: &Connection, key: Key) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE key = ?1"))?
        .query_row([key.0], row)
        .optional()
}

pub(super) fn list(connection: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<JobRow>> {
    let mut terms = vec!["id < ?".to_owned()];
    let mut values = vec![Value::Integer(filter.before.map_or(i64::MAX, |id| int(id.0)))];
    if !filter.states.is_empty() {
        terms.push(format!("state IN ({})", vec!["?"; filter.states.len()].join(", ")));
        values.extend(filter.states.iter().map(|state| Value::Text(state.as_str().to_owned())));
    }
    let texts = [
        ("project = ?", &filter.project),
        ("class = ?", &filter.class),
        ("instr(name, ?) > 0", &filter.name),
    ];
    for (term, value) in texts {
        if let Some(value) = value {
            terms.push(term.to_owned());
            values.push(Value::Text(value.clone()));
        }
    }
    values.push(Value::Integer(count(filter.limit)));
    let query = format!("{SELECT} WHERE {} ORDER BY id DESC LIMIT ?", terms.join(" AND "));
    connection.prepare_cached(&query)?.query_map(params_from_iter(values), row)?.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let mut column = Columns::of(row);
    Ok(JobRow {
        id: JobId(column.next()?),
        key: Key(column.next()?),
        name: column.next()?,
        class: column.next()?,
        tier: column.next()?,
        project: column.next()?,
        submitter: column.next()?,
        state: column.word(words::job_state)?,
        hold_reason: column.next()?,
        exit_code: column.next()?,
        signal: column.next()?,
        tasks: column.next()?,
        succeeded: column.next()?,
        failed: column.next()?,
        cancelled: column.next()?,
        priority: column.next()?,
        submitted: column.time()?,
        started: column.time_if_any()?,
        ended: column.time_if_any()?,
        policy_hash: column.next()?,
        spec: column.next()?,
    })
}

const SELECT: &str = "
    SELECT id, key, name, class, tier, project, submitter, state, hold_reason, exit_code, signal, tasks,
        succeeded, failed, cancelled, priority, submitted_ms, started_ms, ended_ms, policy_hash, spec
    FROM jobs";

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
