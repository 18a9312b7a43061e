//! Why jobs of a list wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use repower_core::plan;
use repower_core::reason::Reason;
use repower_core::state::{Job, Shape, State};
use repower_model::{Finding, JobState, Span, Timestamp};

/// How long what was found out for a shape is good.
const FRESH: Span = Span::from_secs(1);
/// The most shapes that are remembered.
const MOST: usize = 1000;

/// Why jobs wait. To say it of one job with all numbers costs a look at every job ahead; so in
/// lists it is found once a second for each shape of task, without the numbers of one job.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    of_shape: Mutex<BTreeMap<Shape, Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    at: Timestamp,
    code: &'static str,
    text: String,
}

impl Reasons {
    /// Code and sentence for a job; empty unless it waits.
    pub(crate) fn of(&self, state: &State, job: &Job, now: Timestamp) -> (String, String) {
        let waits = matches!(job.state(), JobState::Held | JobState::Pending);
        if !waits {
            return (String::new(), String::new());
        }
        if let Some(own) = own(state, job, now) {
            return (own.code().to_owned(), own.to_string());
        }
        let shape = Shape::of(&job.spec);
        let mut known = self.of_shape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&shape).filter(|found| now.since(found.at) < FRESH) {
            return (found.code.to_owned(), found.text.clone());
        }
        let Some(found) = look(state, job, now) else { return (String::new(), String::new()) };
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(shape, found.clone());
        (found.code.to_owned(), found.text)
    }
}

/// The reason that is this job's alone, if it has one.
fn own(state: &State, job: &Job, now: Timestamp) -> Option<Reason> {
    if let Some(reason) = job.held_by_policy() {
        return Some(reason);
    }
    if let Some(finding) = job.findings.first() {
        let rules = state.findings.get(*finding).map(Finding::rules).unwrap_or_default();
        return Some(Reason::FindingHeld { finding: *finding, rules });
    }
    let held = job.waits_for.iter().filter(|one| !one.per_task || job.waiting() == 0);
    let on: Vec<_> = held.map(|dependency| dependency.job).collect();
    if !on.is_empty() {
        return Some(Reason::Dependency { on });
    }
    if let Some(at) = job.spec.start_after.filter(|at| *at > now) {
        return Some(Reason::StartAfter { at });
    }
    if let Some(at) = job.ready_at().filter(|at| *at > now) {
        return Some(Reason::RetryAfter { at });
    }
    let full = job.limit().filter(|limit| job.live >= u64::from(*limit));
    full.map(|limit| Reason::ArrayLimit { limit })
}

fn look(state: &State, job: &Job, now: Timestamp) -> Option<Found> {
    let reason = plan::why(state, job.id, None, now)?.reason;
    let code = reason.code();
    let shared = code != Reason::Behind { tasks: 0 }.code();
    let text = if shared {
        reason.to_string()
    } else {
        "others go first, and the policy lets nothing overtake".to_owned()
    };
    Some(Found { at: now, code, text })
}
