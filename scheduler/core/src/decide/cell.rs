//! Founding the cell, and the policy in force.

use std::collections::BTreeSet;

use repower_model::{AttemptId, Hash, JobId, StopReason};

use super::approve::release;
use crate::draft::Draft;
use crate::effect::{Answer, Effect};
use crate::fact::Fact;
use crate::life::attempt::Phase;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::state::{State, Token};

pub(crate) fn found(draft: &mut Draft<'_>, cell: &str, version: &str) -> Answer {
    if draft.state().cell.is_empty() {
        draft.push(Fact::CellFounded { cell: cell.to_owned(), version: version.to_owned() });
    }
    Answer::Done
}

/// Puts a policy in force. What was decided under another stays decided; but nothing starts any more
/// that the new one prohibits or does not know, and what is on a node and has not started is taken back.
///
/// # Errors
///
/// [`Refusal::PolicyReplaced`] if another is in force than the one to be replaced.
pub(crate) fn adopt(
    draft: &mut Draft<'_>,
    text: &str,
    by: &str,
    replaces: Option<Hash>,
) -> Result<Answer, Refusal> {
    let bad = |error: crate::policy::PolicyError| Refusal::BadPolicy { problem: error.to_string() };
    let policy = Policy::proposed(text).map_err(bad)?;
    let in_force = draft.state().policy.as_ref().map(|(known, _)| known);
    if replaces.is_some() && replaces != in_force.map(|known| known.hash) {
        let version = in_force.map(|known| known.version.clone()).unwrap_or_default();
        return Err(Refusal::PolicyReplaced { version });
    }
    let before = held(draft.state());
    if draft.state().policy.as_ref().is_some_and(|(known, _)| known.hash == policy.hash) {
        return Ok(Answer::Policy { changed: false, held: 0, running: 0 });
    }
    let known = draft.state().policy.as_ref();
    let is_listed_otherwise = known.map_or(!policy.forbidden().is_empty(), |(known, _)| {
        known.forbidden() != policy.forbidden()
    });
    let Policy { version, hash, text, .. } = policy;
    draft.push(Fact::PolicyAdopted { version, hash, text, by: by.to_owned() });
    if is_listed_otherwise {
        draft.owe(Effect::Forbid);
    }
    release(draft);
    let running = take_back(draft, by);
    let after = held(draft.state());
    let held = after.difference(&before).count() as u64;
    Ok(Answer::Policy { changed: true, held, running })
}

/// The jobs that wait for a person, or because the policy bars them.
fn held(state: &State) -> BTreeSet<JobId> {
    state.jobs.values().filter(|job| job.review || job.barred).map(|job| job.id).collect()
}

/// Takes back what has not started of jobs that must not; returns how many attempts of them run, and
/// go on: they were let in by the policy of their time.
fn take_back(draft: &mut Draft<'_>, by: &str) -> u64 {
    let state = draft.state();
    let (mut stops, mut running) = (Vec::new(), 0);
    for (task, live) in &state.attempts {
        let Some(job) = state.job(task.job).filter(|job| job.barred || job.review) else {
            continue;
        };
        if live.phase != Phase::Placed {
            running += u64::from(live.phase == Phase::Running);
            continue;
        }
        // A gang is never recalled: some of its ranks may run.
        let gang = job.spec.gang.is_some();
        let why = if gang { StopReason::Drained } else { StopReason::Recalled };
        stops.push((AttemptId { task: *task, number: live.number }, why));
    }
    let by = if by.is_empty() { Token::SCHEDULER } else { by };
    for (attempt, why) in stops {
        let reason = "the policy now in force does not let it start".to_owned();
        draft.push(Fact::AttemptStopping { attempt, why, by: by.to_owned(), reason });
    }
    running
}
