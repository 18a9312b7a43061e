//! The tables `findings` and `evidence`.

use repower_model::{Evidence, FindingId, FindingState, Hash, JobId};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::hex;
use crate::rows::FindingRow;
use crate::sql::{count, int};

/// Which findings are asked for, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindingFilter {
    /// Only in these states; empty: in any.
    pub states: Vec<FindingState>,
    /// Only about this job.
    pub job: Option<JobId>,
    /// Only those with a lower number.
    pub before: Option<FindingId>,
    /// At most so many.
    pub limit: usize,
}

pub(super) fn write(connection: &Connection, row: &FindingRow) -> rusqlite::Result<()> {
    let FindingRow { finding, body } = row;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO findings (id, state, source, opened_ms, job, task, number, rank, node, site,
           meter, class, project, submitter, rules, response, holds_outputs, first_seen_ms, last_seen_ms,
           decided_ms, decided_by, reason, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
           ?21, ?22, ?23)",
    )?;
    let review = finding.reviews.last();
    insert.execute(params![
        int(finding.id.0),
        finding.state.as_str(),
        finding.source.as_str(),
        finding.opened.as_millis(),
        finding.job.map(|job| int(job.0)),
        finding.rank.map(|rank| rank.attempt.task.index),
        finding.rank.map(|rank| rank.attempt.number),
        finding.rank.map(|rank| rank.rank),
        finding.node_name,
        finding.site,
        finding.meter,
        finding.class,
        finding.project,
        finding.submitter,
        finding.rules(),
        finding.response.as_str(),
        finding.holds_outputs(),
        finding.first_seen().as_millis(),
        finding.last_seen().as_millis(),
        review.map(|review| review.at.as_millis()),
        review.map(|review| &review.by),
        review.map(|review| &review.reason),
        body,
    ])?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO evidence (finding, digest, bytes) VALUES (?1, ?2, ?3)",
    )?;
    for Evidence { digest, bytes, .. } in &finding.evidence {
        insert.execute(params![int(finding.id.0), hex::of(&digest.0), int(*bytes)])?;
    }
    Ok(())
}

/// The bodies of the findings that pass the filter.
pub(super) fn list(
    connection: &Connection,
    filter: &FindingFilter,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let all = FindingState::ALL.map(FindingState::as_str);
    let mut wanted: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    if wanted.is_empty() {
        wanted.extend(all);
    }
    // The words are this program's own.
    let wanted = format!("'{}'", wanted.join("','"));
    let mut query = connection.prepare_cached(&format!(
        "SELECT body FROM findings
         WHERE (?1 IS NULL OR job = ?1) AND id < ?2 AND state IN ({wanted}) ORDER BY id DESC LIMIT ?3"
    ))?;
    let before = filter.before.map_or(i64::MAX, |before| int(before.0));
    let rows = query.query_map(
        params![filter.job.map(|job| int(job.0)), before, count(filter.limit)],
        |row| row.get(0),
    )?;
    rows.collect()
}

/// The body of one.
pub(super) fn by_id(connection: &Connection, id: FindingId) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut query = connection.prepare_cached("SELECT body FROM findings WHERE id = ?1")?;
    query.query_row([int(id.0)], |row| row.get(0)).optional()
}

/// The first finding that keeps outputs of a job, or of one of its tasks, from being fetched: with the task.
pub(super) fn holds(
    connection: &Connection,
    job: JobId,
    index: Option<u32>,
) -> rusqlite::Result<Option<(FindingId, Option<u32>)>> {
    let mut query = connection.prepare_cached(
        "SELECT id, task FROM findings WHERE job = ?1 AND holds_outputs AND (?2 IS NULL OR task IS NULL OR task = ?2)
         ORDER BY id LIMIT 1",
    )?;
    query
        .query_row(params![int(job.0), index], |row| {
            let id: i64 = row.get(0)?;
            Ok((FindingId(id.cast_unsigned()), row.get(1)?))
        })
        .optional()
}

/// The first finding that keeps an artefact from being read: all who put it out are held back, and nobody had brought it
/// along before. Of what everybody puts out, as empty files, one row is enough to see that.
pub(super) fn holds_artefact(
    connection: &Connection,
    digest: Hash,
) -> rusqlite::Result<Option<FindingId>> {
    let mut query = connection.prepare_cached(
        "SELECT findings.id FROM outputs JOIN findings ON findings.job = outputs.job AND holds_outputs
                AND (findings.task IS NULL OR findings.task = outputs.task)
         WHERE digest = ?1 AND bytes > 0
           AND NOT EXISTS (SELECT 1 FROM inputs WHERE inputs.digest = ?1 AND inputs.job <= outputs.job)
           AND NOT EXISTS (SELECT 1 FROM outputs AS other WHERE other.digest = ?1
                           AND NOT EXISTS (SELECT 1 FROM findings AS own WHERE own.job = other.job AND own.holds_outputs
                                           AND (own.task IS NULL OR own.task = other.task)))
         LIMIT 1",
    )?;
    let id: Option<i64> = query.query_row([hex::of(&digest.0)], |row| row.get(0)).optional()?;
    Ok(id.map(|id| FindingId(id.cast_unsigned())))
}

/// How many there are in each state.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut query =
        connection.prepare_cached("SELECT state, count(*) FROM findings GROUP BY state")?;
    let rows = query.query_map([], |row| {
        let count: i64 = row.get(1)?;
        Ok((row.get(0)?, count.cast_unsigned()))
    })?;
    rows.collect()
}
