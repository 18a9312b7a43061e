//! How long a task is left alone that has been on a node before.
//!
//! By this no task starts and is stopped by turns for ever, whatever else the rules of a pass overlook:
//! a job stops what was placed before it could go, and there is an end of that; and of what was placed
//! while it waited, a task in its second attempt and later only once that has had its respite, which
//! doubles. So what needs a time `t` is stopped at most `2 + log2(t / respite)` times by those that
//! waited.

use repower_model::{Span, Timestamp};

use crate::life::attempt::{Event, after};
use crate::policy::Preemption;
use crate::state::{Attempt, Job, State};

/// How long the second attempt of a task is left alone by jobs that waited when it was placed.
const RESPITE: Span = super::PATIENCE;

/// How often it doubles at most: to some ten thousand years.
const DOUBLINGS: u32 = 29;

/// Whether a job must leave an attempt alone at this moment.
pub(super) fn holds(attempt: &Attempt, job: &Job, now: Timestamp) -> bool {
    let waited = job.eligible.is_none_or(|since| since <= attempt.placed);
    waited && end(attempt).is_some_and(|end| now < end)
}

/// When the next respite ends, if something waits that may stop others.
pub(crate) fn next_end(state: &State) -> Option<Timestamp> {
    let rule = state.scheduling().preemption?;
    let waits = |rule: Preemption| {
        let mut lines = state.queue.lines();
        lines.any(|(_, line)| line.urgent(rule.from).next().is_some())
    };
    if !waits(rule) {
        return None;
    }
    let attempts = state.attempts.iter().filter(|(task, attempt)| {
        state.jobs[&task.job].spec.priority < rule.below
            && after(attempt.phase, Event::Preempt).is_some()
    });
    attempts.filter_map(|(_, attempt)| end(attempt)).filter(|end| *end > state.now).min()
}

fn end(attempt: &Attempt) -> Option<Timestamp> {
    let doublings = attempt.number.checked_sub(2)?.min(DOUBLINGS);
    Some(attempt.placed + Span::from_millis(RESPITE.as_millis() << doublings))
}
