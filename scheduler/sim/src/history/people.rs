//! The journal against what really ran and what people were told.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::check::Violation;
use repower_core::effect::Answer;
use repower_core::fact::{Entry, Fact};
use repower_core::input::Input;
use repower_model::{JobId, NodeId, Outcome, RankId};

use super::jobs::Jobs;
use crate::machine::Ending;
use crate::people::Ask;
use crate::world::World;

pub(super) fn check(world: &World<'_>, entries: &[Entry], jobs: &Jobs) -> Result<(), Violation> {
    check_runs(world, entries)?;
    check_answers(world, entries, jobs)?;
    check_cancels(world, entries)?;
    check_leftovers(world)
}

fn broken(rule: &'static str, detail: String) -> Result<(), Violation> {
    Err(Violation { rule, detail })
}

/// What ran was placed there before, and durably; what succeeded in the journal did so in truth.
fn check_runs(world: &World<'_>, entries: &[Entry]) -> Result<(), Violation> {
    let mut placed: BTreeMap<RankId, (u64, NodeId)> = BTreeMap::new();
    let mut succeeded = BTreeSet::new();
    for entry in entries {
        if let Fact::AttemptPlaced { attempt, node, parts, .. } = &entry.fact {
            let ranks = parts.iter().flat_map(|part| (0..part.ranks).map(|_| part.node));
            let nodes = ranks.chain(parts.is_empty().then_some(*node));
            placed.extend(
                (0..).zip(nodes).map(|(rank, node)| (attempt.rank(rank), (entry.seq, node))),
            );
        }
        if let Fact::AttemptEnded(ended) = &entry.fact
            && ended.outcome == (Outcome::Exited { code: 0 })
        {
            let all = ended.attempt.rank(0)..=ended.attempt.rank(u32::MAX);
            succeeded.extend(placed.range(all).map(|(rank, _)| *rank));
        }
    }
    for (rank, runs) in &world.runs {
        if runs.len() > 1 {
            let rule = "an attempt runs once";
            return broken(rule, format!("{rank}: {runs:?}"));
        }
        for run in runs {
            let known =
                placed.get(rank).is_some_and(|(seq, node)| *seq < run.durable && *node == run.node);
            if !known {
                let rule = "nothing runs before its placement is durable";
                return broken(rule, format!("{rank}: {run:?}, placed {:?}", placed.get(rank)));
            }
        }
    }
    for rank in succeeded {
        let run = world.runs.get(&rank).and_then(|runs| runs.first());
        if run.is_none_or(|run| run.ending != Some(Ending::Success)) {
            let rule = "what succeeds in the journal did so in truth";
            return broken(rule, format!("{rank}: {run:?}"));
        }
    }
    Ok(())
}

/// Everybody was told what is in the journal, and only after it was durable.
fn check_answers(world: &World<'_>, entries: &[Entry], jobs: &Jobs) -> Result<(), Violation> {
    let mut by_key = BTreeMap::new();
    let mut refusals: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entry in entries {
        if let Fact::JobSubmitted(submitted) = &entry.fact {
            by_key.insert(submitted.key, (entry.seq, submitted.job));
        }
        if let Fact::SubmissionRefused(refused) = &entry.fact {
            refusals.insert((&refused.submitter, &refused.code));
        }
    }
    for (id, call) in &world.people.calls {
        let (Ask::Submit { key, submitter, .. }, Some((answer, durable))) = (&call.ask, &call.told)
        else {
            continue;
        };
        let is_so = match answer {
            Ok(Answer::Job { job, .. }) => {
                let is_durable =
                    by_key.get(key).is_some_and(|(seq, made)| made == job && seq < durable);
                is_durable && jobs.end(*job).is_some()
            }
            Ok(Answer::Refused(refusal)) => {
                refusals.contains(&(submitter.as_str(), refusal.code()))
            }
            Ok(_) => false,
            Err(refusal) => !refusal.code().starts_with("class."),
        };
        if !is_so {
            let rule = "people are told what is in the journal";
            return broken(rule, format!("call {}: {answer:?}", id.0));
        }
    }
    Ok(())
}

/// Once somebody was told that a whole job is cancelled, none of its tasks starts any more.
fn check_cancels(world: &World<'_>, entries: &[Entry]) -> Result<(), Violation> {
    let mut cancelled: BTreeMap<JobId, u64> = BTreeMap::new();
    for call in world.people.calls.values() {
        let (Ask::Command(input), Some((Ok(Answer::Cancelled { .. }), durable))) =
            (&call.ask, &call.told)
        else {
            continue;
        };
        if let Input::Cancel { job, tasks: None, .. } | Input::GiveUp { job, tasks: None, .. } =
            &**input
        {
            let first = cancelled.entry(*job).or_insert(*durable);
            *first = (*first).min(*durable);
        }
    }
    for entry in entries {
        if let Fact::AttemptPlaced { attempt, .. } = &entry.fact
            && cancelled.get(&attempt.task.job).is_some_and(|durable| entry.seq >= *durable)
        {
            let rule = "what is cancelled never starts";
            return broken(rule, format!("{attempt}, fact {}", entry.seq));
        }
    }
    Ok(())
}

/// Nothing runs any more, and no agent waits for an acknowledgement.
fn check_leftovers(world: &World<'_>) -> Result<(), Violation> {
    for machine in world.machines.values() {
        if !machine.is_settled() {
            let rule = "nothing is left on a node when its jobs have ended";
            return broken(rule, format!("node {}: {:?}", machine.node, machine.held()));
        }
    }
    Ok(())
}
