//! The history of a world, checked at its end: the journal against rules that are written here
//! anew, without the engine's state, and against what really happened and what people were told.

mod findings;
mod gangs;
mod jobs;
mod nodes;
mod people;
mod replay;
mod reservations;

use repower_core::check::Violation;
use repower_core::fact::{Entry, Fact};

use crate::world::{Summary, World};
use findings::Findings;
use gangs::Gangs;
use jobs::Jobs;
use nodes::Nodes;
use reservations::Reservations;

/// Checks all of it.
pub(crate) fn check(world: &World<'_>) -> Result<Summary, Violation> {
    let entries = world.scheduler.ledger.entries(0)?;
    let mut story = Story::default();
    for (at, entry) in entries.iter().enumerate() {
        story
            .follow(&entries[..at], entry)
            .map_err(|rule| Violation { rule, detail: format!("{entry:?}") })?;
    }
    story.jobs.all_ended()?;
    people::check(world, &entries, &story.jobs)?;
    replay::check(world, &entries)?;
    let head = world.scheduler.ledger.head();
    Ok(Summary {
        facts: head.size,
        root: head.root,
        turns: world.scheduler.turns,
        jobs: story.jobs.count(),
        attempts: story.jobs.attempts(),
        took: world.now.since(repower_agent_core::Moment::default()),
    })
}

/// What is broken, in words.
type Rule = &'static str;

/// The journal as it goes by.
#[derive(Debug, Default)]
struct Story {
    jobs: Jobs,
    nodes: Nodes,
    gangs: Gangs,
    reservations: Reservations,
    findings: Findings,
    last_token: u64,
}

/// Holds something, or says what is broken.
fn hold(holds: bool, rule: Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

impl Story {
    fn follow(&mut self, before: &[Entry], entry: &Entry) -> Result<(), Rule> {
        hold(entry.seq == before.len() as u64, "facts are counted without gaps")?;
        hold(
            before.last().is_none_or(|last| last.at <= entry.at),
            "time never goes back in the journal",
        )?;
        let is_first = before.is_empty();
        let founds = matches!(entry.fact, Fact::CellFounded { .. });
        hold(is_first == founds, "a cell is founded once, and first")?;
        match &entry.fact {
            Fact::CellFounded { .. } => Ok(()),
            Fact::PolicyAdopted { hash, text, .. } => self.jobs.adopted(*hash, text),
            Fact::JobSubmitted(submitted) => {
                self.nodes.submitted(submitted.job, submitted.spec.on_disconnect);
                self.jobs.submitted(submitted)
            }
            Fact::SubmissionRefused(refused) => hold(
                refused.code.starts_with("class.") || refused.code == "policy.quarantined",
                "only what the policy forbids is refused in the journal",
            ),
            Fact::JobReviewed { job, approved, .. } => self.jobs.reviewed(*job, *approved),
            // Nobody gives any in these worlds: the planner's tests and the policy's own do.
            Fact::ApprovalGiven(_) | Fact::ApprovalEnded { .. } => {
                Err("nobody has approved a kind of work")
            }
            Fact::DependencySettled { job, on, met } => self.jobs.settled(*job, *on, *met),
            Fact::TasksCancelled { job, tasks, .. } => self.jobs.cancelled(*job, tasks),
            Fact::JobEnded { .. } => self.jobs.ended(&entry.fact),
            Fact::AttemptPlaced { attempt, node, parts, .. } => {
                let gang = self.jobs.gang(attempt.task.job)?;
                let on = self.gangs.placed(*attempt, *node, parts, gang)?;
                self.nodes.placed(*attempt, &on)?;
                let spec =
                    self.jobs.spec(attempt.task.job).ok_or("what is placed was submitted")?;
                for node in std::iter::once(node).chain(parts.iter().map(|part| &part.node)) {
                    self.reservations.placed(*node, spec, entry.at)?;
                }
                self.findings.placed(attempt.task.job)?;
                self.jobs.placed(*attempt, *node, entry.at)
            }
            Fact::RankStarted { rank, .. } => {
                self.jobs.started(rank.attempt)?;
                self.gangs.started(*rank)
            }
            Fact::RankEnded(ended) => {
                self.jobs.started(ended.rank.attempt)?;
                self.nodes.ended(ended.rank)?;
                self.gangs.ended(ended)
            }
            Fact::PlacePromised { task, .. } => self.jobs.promised(*task),
            Fact::AttemptStarted { attempt, .. } => self.jobs.started(*attempt),
            Fact::AttemptStopping { attempt, why, .. } => self.jobs.stopping(*attempt, *why),
            Fact::OutputsKept(kept) => self.nodes.holds(kept.rank),
            Fact::ProgressClaimed { rank, .. } => self.nodes.claims(*rank),
            Fact::CheckpointSettled { attempt, .. } => self.nodes.holds((*attempt).into()),
            Fact::TaskEntered { .. } => Ok(()),
            Fact::StopStepTaken { rank, step, .. } => self.nodes.steps(*rank, *step),
            Fact::AttemptEnded(ended) => {
                if let Some(node) = self.gangs.over(ended)? {
                    self.jobs.moves_to(ended.attempt, node)?;
                } else {
                    self.nodes.ended(ended.attempt.into())?;
                }
                self.jobs.attempt_ended(ended)
            }
            Fact::TaskReturned { task, node } => self.jobs.returned(*task, *node),
            Fact::TokenIssued { id, .. } => {
                hold(id.0 > self.last_token, "ids of tokens are never used twice")?;
                self.last_token = id.0;
                Ok(())
            }
            Fact::ReservationMade(one) => self.reservations.made(one, entry.at),
            Fact::ReservationEnded { .. } => self.reservations.ended(entry),
            Fact::TokenUsed { .. } | Fact::TokenRevoked { .. } => Ok(()),
            Fact::FindingOpened(_)
            | Fact::FindingSeen(_)
            | Fact::FindingReviewed { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. } => self.findings.changed(&entry.fact, entry.at),
            Fact::NodeEnrolled { .. }
            | Fact::NodeConnected { .. }
            | Fact::NodeLost { .. }
            | Fact::NodeLeft { .. }
            | Fact::NodeDrained { .. }
            | Fact::NodeResumed { .. }
            | Fact::NodeHeldBack { .. } => self.nodes.changed(&entry.fact),
        }
    }
}
