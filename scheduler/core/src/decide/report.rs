//! What agents report of attempts. A late report of an older attempt changes nothing.

use repower_model::{
    AttemptId, Fault, JobState, NodeId, Outcome, RankId, Sequel, Span, Timestamp, Usage,
};

use super::each::follow;
use super::finding;
use super::node::hold_back_black_holes;
use super::settle::settle;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::{AttemptEnded, Fact, RankEnded};
use crate::input::Report;
use crate::life::attempt::{self, Event, Phase};
use crate::plan::gang;
use crate::state::{Attempt, Job, State, Tries, named};

/// A task that so many nodes could not start is at fault itself.
const START_ELSEWHERE: usize = 2;

/// The longest that a task waits before another node or the same one tries to start it once more.
const LONGEST_DELAY: Span = Span::from_secs(300);

/// A task that asks for another start after it has run for less than this has got nowhere.
const CHECKPOINT_US: u64 = 10_000_000;

/// The longest that such a task waits.
const CHECKPOINT_PAUSE_S: u64 = 600;

pub(crate) fn report(draft: &mut Draft<'_>, node: NodeId, report: &Report) -> Answer {
    match report {
        Report::Kept(kept) => {
            // It may come again, on another link.
            let is_new = |live: &Attempt| {
                !live.marks.as_ref().is_some_and(|marks| marks.kept.contains(&kept.rank.rank))
            };
            if here(draft.state(), kept.rank, node).is_some_and(is_new) {
                draft.push(Fact::OutputsKept(kept.clone()));
            }
        }
        Report::Claimed { rank, progress } => {
            // It may come again, on another link.
            let is_new = |live: &Attempt| {
                !live.marks.as_ref().is_some_and(|marks| marks.claimed.contains(&rank.rank))
            };
            if here(draft.state(), *rank, node).is_some_and(is_new) {
                draft.push(Fact::ProgressClaimed { rank: *rank, progress: progress.clone() });
            }
        }
        Report::Stopping { rank, step, cause, signal, taken } => {
            // It may come again, on another link.
            let is_new = |live: &Attempt| live.step_of(rank.rank) < Some(*step);
            if here(draft.state(), *rank, node).is_some_and(is_new) {
                let (rank, step, cause) = (*rank, *step, *cause);
                let (signal, taken) = (*signal, *taken);
                draft.push(Fact::StopStepTaken { rank, step, cause, signal, taken });
            }
        }
        Report::Saved { rank, kept } => {
            if here(draft.state(), *rank, node).is_some() {
                super::checkpoint::settle(draft, rank.attempt, kept);
            }
        }
        Report::Noticed(noticed) => {
            if draft.state().may_tell_of(noticed.rank, node) {
                finding::noticed(draft, node, noticed);
            }
        }
        Report::Started { rank, started } => start(draft, node, *rank, *started),
        Report::Ended { rank, outcome, usage, started, ended } => {
            if here(draft.state(), *rank, node).is_some() {
                let end =
                    End { rank: *rank, outcome, usage: *usage, started: *started, at: *ended };
                finish(draft, &end);
            }
        }
    }
    Answer::Done
}

/// A process runs. An attempt does when all of its processes do.
fn start(draft: &mut Draft<'_>, node: NodeId, rank: RankId, started: Timestamp) {
    let Some(live) = here(draft.state(), rank, node) else {
        return;
    };
    let counts = attempt::after(live.phase, Event::Started).is_some();
    match &live.ranks {
        None if counts => draft.push(Fact::AttemptStarted { attempt: rank.attempt, started }),
        // Also of one that is being stopped: what runs can be lost, what never ran cannot.
        Some(ranks) if !ranks.started.contains(rank.rank) => {
            draft.push(Fact::RankStarted { rank, started });
            start_all(draft, rank.attempt, started);
        }
        None | Some(_) => {}
    }
}

/// Says that a gang runs, if the last of its ranks has just started.
fn start_all(draft: &mut Draft<'_>, attempt: AttemptId, started: Timestamp) {
    let runs = live(draft.state(), attempt).is_some_and(|live| {
        let all = live.ranks.as_ref().is_some_and(|ranks| ranks.all_started());
        all && attempt::after(live.phase, Event::Started).is_some()
    });
    if runs {
        draft.push(Fact::AttemptStarted { attempt, started });
    }
}

/// The end of a process, as somebody saw it.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) rank: RankId,
    pub(crate) outcome: &'a Outcome,
    pub(crate) usage: Usage,
    pub(crate) started: Option<Timestamp>,
    pub(crate) at: Timestamp,
}

/// The live attempt of this number, if it is the latest one.
pub(crate) fn live(state: &State, id: AttemptId) -> Option<&Attempt> {
    state.attempts.get(&id.task).filter(|attempt| attempt.number == id.number)
}

/// The live attempt of a process that is on a node and has not ended.
fn here(state: &State, rank: RankId, node: NodeId) -> Option<&Attempt> {
    live(state, rank.attempt).filter(|live| live.has(rank.rank, node))
}

/// Ends a process of a live attempt; with the last of them the attempt ends.
pub(crate) fn finish(draft: &mut Draft<'_>, end: &End<'_>) {
    let attempt = end.rank.attempt;
    let Some(known) = live(draft.state(), attempt) else {
        return;
    };
    if known.ranks.is_none() {
        let (outcome, started) = (end.outcome.clone(), end.started);
        return conclude(draft, attempt, outcome, end.usage, started, end.at);
    }
    draft.push(Fact::RankEnded(Box::new(RankEnded {
        rank: end.rank,
        outcome: end.outcome.clone(),
        usage: end.usage,
        started: end.started,
        ended: end.at,
    })));
    let Some(Attempt { ranks: Some(ranks), phase, .. }) = live(draft.state(), attempt) else {
        return;
    };
    if !ranks.all_ended() {
        return start_all(draft, attempt, end.started.unwrap_or(end.at));
    }
    let mut outcome = ranks.outcome(*phase);
    if let Some(cause) = &ranks.cause
        && let Some(node) = ranks.node_of(cause.rank)
    {
        outcome = named(outcome, cause.rank, &draft.state().nodes[&node].name);
    }
    let (usage, started, at) = (ranks.usage, ranks.first_start, ranks.last_end);
    conclude(draft, attempt, outcome, usage, started, at);
}

/// Ends a live attempt and decides what becomes of its task.
fn conclude(
    draft: &mut Draft<'_>,
    attempt: AttemptId,
    outcome: Outcome,
    usage: Usage,
    started: Option<Timestamp>,
    ended: Timestamp,
) {
    let outcome = finding::condemned(draft.state(), attempt).unwrap_or(outcome);
    let (mut sequel, fault) = judge(draft.state(), attempt, &outcome);
    if sequel == Sequel::Again && !draft.state().jobs[&attempt.task.job].confirmed.is_empty() {
        sequel = Sequel::Cancelled;
    }
    let is_again = sequel == Sequel::Again;
    let saved = matches!(outcome, Outcome::Checkpointed { .. });
    let delay = match (is_again, saved) {
        (true, true) => pause(draft.state(), attempt, &usage),
        (true, false) => delay(draft.state(), attempt, &outcome),
        (false, _) => None,
    };
    let again_after = delay.map(|delay| draft.now() + delay);
    let place = draft.state().jobs[&attempt.task.job].place(attempt.task).into_iter().collect();
    draft.push(Fact::AttemptEnded(Box::new(AttemptEnded {
        attempt,
        outcome,
        usage,
        started,
        ended,
        sequel,
        again_after,
        fault,
    })));
    finding::lapse(draft, attempt);
    let job = attempt.task.job;
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

/// How long a task waits that has asked for another start: not at all, if it has run for a while; else
/// longer with each time, so that one which only asks again and again costs next to nothing.
fn pause(state: &State, attempt: AttemptId, usage: &Usage) -> Option<Span> {
    if usage.wall_us >= CHECKPOINT_US {
        return None;
    }
    let job = &state.jobs[&attempt.task.job];
    let tries = job.place(attempt.task).and_then(|place| job.tries.get(&place));
    let before = tries.map_or(0, |tries| tries.checkpoints);
    let secs = 1_u64.checked_shl(before).unwrap_or(u64::MAX);
    Some(Span::from_secs(secs.min(CHECKPOINT_PAUSE_S)))
}

/// What becomes of the task, and whose fault it was.
fn judge(state: &State, attempt: AttemptId, outcome: &Outcome) -> (Sequel, Fault) {
    let AttemptId { task, .. } = attempt;
    let job = &state.jobs[&task.job];
    let attempt = &state.attempts[&task];
    let place = job.place(task).expect("a live attempt's task is in its array");
    let tries = job.tries.get(&place).cloned().unwrap_or_default();
    if outcome.is_success() {
        return (Sequel::Succeeded, Fault::None);
    }
    if matches!(outcome, Outcome::Finding { .. }) {
        return (Sequel::Failed, Fault::User);
    }
    if attempt.phase == Phase::Cancelling {
        return (Sequel::Cancelled, Fault::None);
    }
    let again = |may: bool, fault| (if may { Sequel::Again } else { Sequel::Failed }, fault);
    match outcome {
        Outcome::Recalled
        | Outcome::Preempted
        | Outcome::Drained
        | Outcome::Checkpointed { .. } => (Sequel::Again, Fault::None),
        Outcome::Exited { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut
        | Outcome::Finding { .. }
        | Outcome::OutOfMemory => again(tries.user < job.spec.retries.user, Fault::User),
        Outcome::Lost { .. } | Outcome::Cancelled => {
            again(tries.system < job.spec.retries.system, Fault::System)
        }
        Outcome::NotStarted { .. } => {
            let elsewhere = could_go_elsewhere(state, job, &tries, attempt);
            if elsewhere && tries.avoid.len() + 1 < START_ELSEWHERE {
                (Sequel::Again, Fault::System)
            } else {
                again(tries.user < job.spec.retries.user, Fault::User)
            }
        }
    }
}

/// Whether another node could hold a task than those that could not start it.
fn could_go_elsewhere(state: &State, job: &Job, tries: &Tries, attempt: &Attempt) -> bool {
    let others = state
        .nodes
        .values()
        .filter(|node| node.id != attempt.end_node() && !tries.avoid.contains(&node.id));
    gang::could_hold(others, &job.spec)
}

/// How long a task waits before it is tried again; `None`: not at all. What could not be started goes
/// elsewhere at once, but where there is no other node, it would fail again as fast as it is tried.
fn delay(state: &State, attempt: AttemptId, outcome: &Outcome) -> Option<Span> {
    let job = &state.jobs[&attempt.task.job];
    let tries = job.place(attempt.task).and_then(|place| job.tries.get(&place));
    let tries = tries.cloned().unwrap_or_default();
    let live = &state.attempts[&attempt.task];
    let waits = matches!(outcome, Outcome::NotStarted { .. })
        && !could_go_elsewhere(state, job, &tries, live);
    let doubled = u32::try_from(tries.avoid.len()).unwrap_or(u32::MAX).min(16);
    waits.then(|| Span::from_secs(1 << doubled).min(LONGEST_DELAY))
}
