//! What agents report of attempts. A late report of an older attempt changes nothing.

use repower_model::{AttemptId, Fault, JobState, NodeId, Outcome, Sequel, Timestamp, Usage};

use super::each::follow;
use super::node::hold_back_black_holes;
use super::settle::settle;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::{AttemptEnded, Fact};
use crate::input::Report;
use crate::life::attempt::{self, Event, Phase};
use crate::plan::filter;
use crate::state::{Attempt, State};

/// A task that so many nodes could not start is at fault itself.
const START_ELSEWHERE: usize = 2;

pub(crate) fn report(draft: &mut Draft<'_>, node: NodeId, report: &Report) -> Answer {
    match report {
        Report::Started { attempt, started } => {
            let live = live(draft.state(), *attempt).filter(|live| live.node == node);
            if live.is_some_and(|live| attempt::after(live.phase, Event::Started).is_some()) {
                draft.push(Fact::AttemptStarted { attempt: *attempt, started: *started });
            }
        }
        Report::Ended { attempt, outcome, usage, started, ended } => {
            if live(draft.state(), *attempt).is_some_and(|live| live.node == node) {
                let end = End {
                    attempt: *attempt,
                    outcome,
                    usage: *usage,
                    started: *started,
                    at: *ended,
                };
                finish(draft, &end);
            }
        }
    }
    Answer::Done
}

/// The end of an attempt, as somebody saw it.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) attempt: AttemptId,
    pub(crate) outcome: &'a Outcome,
    pub(crate) usage: Usage,
    pub(crate) started: Option<Timestamp>,
    pub(crate) at: Timestamp,
}

/// The live attempt of this number, if it is the latest one.
pub(crate) fn live(state: &State, id: AttemptId) -> Option<&Attempt> {
    state.attempts.get(&id.task).filter(|attempt| attempt.number == id.number)
}

/// Ends a live attempt and decides what becomes of its task.
pub(crate) fn finish(draft: &mut Draft<'_>, end: &End<'_>) {
    let (sequel, fault) = judge(draft.state(), end);
    let job = &draft.state().jobs[&end.attempt.task.job];
    let place = job.place(end.attempt.task).into_iter().collect();
    draft.push(Fact::AttemptEnded(Box::new(AttemptEnded {
        attempt: end.attempt,
        outcome: end.outcome.clone(),
        usage: end.usage,
        started: end.started,
        ended: end.at,
        sequel,
        again_after: None,
        fault,
    })));
    let job = end.attempt.task.job;
    if sequel == Sequel::Succeeded || fault != Fault::None {
        hold_back_black_holes(draft, job);
    }
    let mut touched = match sequel {
        Sequel::Succeeded => follow(draft, job, place, JobState::Succeeded),
        Sequel::Cancelled => follow(draft, job, place, JobState::Cancelled),
        Sequel::Failed | Sequel::Again => Vec::new(),
    };
    touched.push(job);
    settle(draft, touched);
}

/// What becomes of the task, and whose fault it was.
fn judge(state: &State, end: &End<'_>) -> (Sequel, Fault) {
    let AttemptId { task, .. } = end.attempt;
    let job = &state.jobs[&task.job];
    let attempt = &state.attempts[&task];
    let place = job.place(task).expect("a live attempt's task is in its array");
    let tries = job.tries.get(&place).cloned().unwrap_or_default();
    if end.outcome.is_success() {
        return (Sequel::Succeeded, Fault::None);
    }
    if attempt.phase == Phase::Cancelling {
        return (Sequel::Cancelled, Fault::None);
    }
    let again = |may: bool, fault| (if may { Sequel::Again } else { Sequel::Failed }, fault);
    match end.outcome {
        Outcome::Recalled | Outcome::Preempted => (Sequel::Again, Fault::None),
        Outcome::Exited { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::OutOfMemory => again(tries.user < job.spec.retries.user, Fault::User),
        Outcome::Lost { .. } | Outcome::Cancelled => {
            again(tries.system < job.spec.retries.system, Fault::System)
        }
        Outcome::NotStarted { .. } => {
            let elsewhere = state.nodes.values().any(|node| {
                let failed_here = node.id == attempt.node || tries.avoid.contains(&node.id);
                !failed_here && filter::suits(node, &job.spec)
            });
            if elsewhere && tries.avoid.len() + 1 < START_ELSEWHERE {
                (Sequel::Again, Fault::System)
            } else {
                again(tries.user < job.spec.retries.user, Fault::User)
            }
        }
    }
}
