//! Writing the projections: each row to the table of its noun.

use std::collections::BTreeSet;

use repower_model::AttemptId;
use rusqlite::Connection;

use super::{attempts, checkpoints, claims, decisions, files, findings, jobs, nodes, ranks, steps};
use crate::rows::Row;

/// Writes the rows in order.
pub(super) fn rows(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let whole = told_whole(rows);
    let mut attempts = attempts::Writer::new(connection);
    for row in rows {
        match row {
            Row::JobSubmitted(job) => jobs::submitted(connection, job)?,
            Row::JobState { id, state, hold_reason, started } => {
                jobs::state(connection, *id, *state, hold_reason.as_deref(), *started)?;
            }
            Row::JobEnded(ended) => jobs::ended(connection, ended)?,
            Row::AttemptPlaced(placed) if whole.contains(&placed.id) => {}
            Row::AttemptPlaced(placed) => attempts.placed(placed)?,
            Row::AttemptStarted { id, .. } if whole.contains(id) => {}
            Row::AttemptStarted { id, started } => attempts.started(*id, *started)?,
            Row::AttemptEnded(ended) => attempts.ended(ended)?,
            Row::RankPlaced { id, node, node_name } => {
                ranks::placed(connection, *id, *node, node_name)?;
            }
            Row::RankStarted { id, started } => ranks::started(connection, *id, *started)?,
            Row::RankEnded { id, ended } => ranks::ended(connection, *id, ended)?,
            Row::InputsGiven { job, inputs } => files::given(connection, *job, inputs)?,
            Row::OutputsKept(kept) => files::kept(connection, kept)?,
            Row::StepTaken(taken) => steps::taken(connection, taken)?,
            Row::ProgressClaimed(row) => claims::made(connection, row)?,
            Row::Decided(row) => decisions::made(connection, row)?,
            Row::CheckpointSettled(row) => checkpoints::settled(connection, row)?,
            Row::CheckpointsDropped { job, index } => {
                checkpoints::dropped(connection, *job, *index)?;
            }
            Row::Node(node) => nodes::write(connection, node)?,
            Row::Finding(finding) => findings::write(connection, finding)?,
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
        Row::AttemptEnded(ended) => ended.started.map(|_| ended.placed.id),
        Row::JobSubmitted(_)
        | Row::JobState { .. }
        | Row::JobEnded(_)
        | Row::AttemptPlaced(_)
        | Row::AttemptStarted { .. }
        | Row::RankPlaced { .. }
        | Row::RankStarted { .. }
        | Row::RankEnded { .. }
        | Row::InputsGiven { .. }
        | Row::OutputsKept(_)
        | Row::StepTaken(_)
        | Row::Decided(_)
        | Row::CheckpointSettled(_)
        | Row::ProgressClaimed(_)
        | Row::CheckpointsDropped { .. }
        | Row::Finding(_)
        | Row::Node(_) => None,
    });
    ends.collect()
}
