//! What comes of the engine's facts in the room: starts, stops, ends.

use repower_core::effect::{Answer, Turn};
use repower_core::fact::Fact;
use repower_core::input::{Input, Report};
use repower_model::{JobId, JobState, Outcome, StopReason};

use super::events::{End, Event};
use super::ids::{after, id, index, node_id, task};
use super::live::Attempt;
use super::room::Room;
use super::{ReplayError, Run};

impl Room<'_> {
    /// Turns an input, and lets what it says take effect.
    pub(super) fn turn(&mut self, what: &str, input: &Input) -> Result<Answer, ReplayError> {
        let refused = |source| ReplayError::Refused { what: what.to_owned(), source };
        let Turn { facts, answer, .. } = self.engine.turn(input, self.time()).map_err(refused)?;
        self.went.facts += facts.len() as u64;
        let mut slot_free = false;
        for fact in facts {
            slot_free |= matches!(fact, Fact::AttemptEnded(_));
            self.happen(fact)?;
        }
        if slot_free {
            self.runways()?;
        }
        Ok(answer)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most facts change nothing in the room")]
    fn happen(&mut self, fact: Fact) -> Result<(), ReplayError> {
        match fact {
            Fact::AttemptPlaced { attempt, node, runway, parts, .. } => {
                let node = node.0 - 1;
                let (job, number) = (attempt.task.job, attempt.number);
                let parts = parts.iter().map(|part| (part.node.0 - 1, part.ranks)).collect();
                self.live.place(job, Attempt { number, node, start: None }, parts);
                if runway { Ok(()) } else { self.start(job) }
            }
            Fact::AttemptStopping { attempt, why, .. } => {
                let by = match why {
                    StopReason::Cancelled | StopReason::Stale | StopReason::Finding => {
                        End::Cancelled
                    }
                    StopReason::Recalled => End::Recalled,
                    StopReason::Preempted | StopReason::Drained | StopReason::Checkpointed => {
                        End::Preempted
                    }
                };
                let (job, number) = (attempt.task.job, attempt.number);
                self.events.push(self.now, Event::End { job, number, by });
                Ok(())
            }
            // The first rank that does not succeed ends the others.
            Fact::RankEnded(ended) => {
                if !ended.outcome.is_success() {
                    let (job, number) = (ended.rank.attempt.task.job, ended.rank.attempt.number);
                    let by = End::Cancelled;
                    self.events.push(self.now, Event::End { job, number, by });
                }
                Ok(())
            }
            Fact::AttemptEnded(ended) => {
                self.idle_steps = 0;
                self.went.lost += u64::from(matches!(ended.outcome, Outcome::Lost { .. }));
                self.went.preempted += u64::from(ended.outcome == Outcome::Preempted);
                let (job, number) = (ended.attempt.task.job, ended.attempt.number);
                if let Some((attempt, parts)) = self.live.remove(job, number)
                    && let Some(start) = attempt.start
                {
                    self.live.cpu_milli -= self.workload.jobs[index(job)].cpus.as_milli();
                    let (end, node) = (self.now, attempt.node);
                    self.went.runs[index(job)] = Run { start, end, node, done: false };
                    if !parts.is_empty() {
                        self.went.spread.insert(index(job), parts);
                    }
                }
                Ok(())
            }
            Fact::JobEnded { job, state, .. } => {
                self.ended += 1;
                self.went.runs[index(job)].done = state == JobState::Succeeded;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Those that waited on a node have a slot now, if the engine says so.
    fn runways(&mut self) -> Result<(), ReplayError> {
        let attempts = &self.engine.state().attempts;
        let has_slot = |job: &JobId| attempts.get(&task(*job)).is_some_and(|one| !one.runway);
        let ready: Vec<JobId> = self.live.waiting().filter(has_slot).collect();
        ready.into_iter().try_for_each(|job| self.start(job))
    }

    fn start(&mut self, job: JobId) -> Result<(), ReplayError> {
        let Some(attempt) = self.live.start(job, self.now) else {
            return Ok(());
        };
        self.idle_steps = 0;
        let asked = &self.workload.jobs[index(job)];
        self.live.cpu_milli += asked.cpus.as_milli();
        let (number, run) = (attempt.number, asked.run);
        self.events.push(after(self.now, run), Event::End { job, number, by: End::Done });
        let (started, id) = (self.time(), id(job, number));
        for (rank, node) in (0..).zip(self.live.processes(job)) {
            let report = Report::Started { rank: id.rank(rank), started };
            self.turn("a report", &Input::Report { node: node_id(node as usize), report })?;
        }
        Ok(())
    }
}
