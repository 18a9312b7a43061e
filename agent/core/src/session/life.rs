//! What happens to attempts, and what is done about it.

use repower_model::{Outcome, RankId};

use super::Session;
use crate::phase::{Deed, End, Event, Held, Phase, Rules, Why};
use crate::{Action, Moment, Now, Report, Signal};

impl Session {
    /// Lets something happen to an attempt. One that is not known is none of our business any more.
    pub(super) fn step(&mut self, id: RankId, event: &Event, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let was_waiting = attempt.phase == Phase::Waiting;
        let was_collecting = matches!(attempt.phase, Phase::Collecting { .. });
        let phase = std::mem::replace(&mut attempt.phase, Phase::Ended);
        let rules = Rules::of(&attempt.definition.spec);
        let (phase, deed) = phase.after(event, rules);
        attempt.phase = phase;
        match deed {
            Deed::Nothing => {}
            Deed::Launch => {
                let (definition, rendezvous) =
                    (attempt.definition.clone(), attempt.rendezvous.clone());
                let alternative = attempt.alternative;
                actions.push(Action::Launch { attempt: id, definition, alternative, rendezvous });
            }
            Deed::Begin => self.begin(id, now),
            Deed::BeginAndSend(signal) => {
                self.begin(id, now);
                self.send(id, signal, now, actions);
            }
            Deed::Send(signal) => self.send(id, signal, now, actions),
            Deed::Hasten => self.hasten(id, now),
            Deed::Drain => self.drain(id, now),
            Deed::Finish(end) => self.finish(id, end, now, actions),
            Deed::End(end) => {
                let collected = was_collecting.then_some(Action::Discard(id));
                self.end(id, was_waiting, end, now, actions);
                actions.extend(collected);
            }
        }
    }

    pub(super) fn set_due(&mut self, id: RankId, at: Option<Moment>) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            self.timers.set(&mut attempt.due, id, at);
        }
    }

    /// Its process runs.
    fn begin(&mut self, id: RankId, now: Now) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.started = Some(now.wall);
        attempt.start_report =
            Some(self.outbox.push(Report::Started { attempt: id, started: now.wall }));
        if let Some(limit) = attempt.definition.spec.time_limit {
            self.timers.set(&mut attempt.due, id, Some(now.steady + limit));
        }
    }

    /// Sends its process a signal, says so, and sets the end of the grace that follows.
    fn send(&mut self, id: RankId, signal: Signal, now: Now, actions: &mut Vec<Action>) {
        self.set_due(id, self.next_step(id, now));
        actions.push(Action::Signal { attempt: id, signal });
        self.hear_out(id, actions);
        let why = self.attempts.get(&id).and_then(|attempt| attempt.phase.why());
        if let Some(cause) = why.and_then(Why::cause) {
            let (step, signal, taken) = (signal.step(), signal.number(), now.wall);
            self.outbox.push(Report::Stopping { attempt: id, step, cause, signal, taken });
        }
    }

    /// Moves the end of the grace forward if what is now known makes it shorter; never back.
    fn hasten(&mut self, id: RankId, now: Now) {
        let due = self.attempts.get(&id).and_then(|attempt| attempt.due);
        let at = self.next_step(id, now);
        if due.zip(at).is_some_and(|(due, at)| at < due) {
            self.set_due(id, at);
        }
    }

    /// When the next signal is due, if the grace before it begins now; `None`: there is none.
    fn next_step(&self, id: RankId, now: Now) -> Option<Moment> {
        let attempt = self.attempts.get(&id)?;
        let spec = &attempt.definition.spec;
        let grace = match attempt.phase {
            Phase::Saving { why } => self.grace(why, spec).saving,
            Phase::Stopping { why } => self.grace(why, spec).ending,
            Phase::Staging
            | Phase::Waiting
            | Phase::Starting { .. }
            | Phase::Running
            | Phase::Killed { .. }
            | Phase::Draining { .. }
            | Phase::Collecting { .. }
            | Phase::Ended => return None,
        };
        Some(now.steady + grace)
    }

    /// Its process has ended: what it held is free, but its output may still come.
    fn drain(&mut self, id: RankId, now: Now) {
        if let Some(attempt) = self.attempts.get(&id) {
            self.slots.give_back(attempt.amounts());
        }
        self.set_due(id, Some(now.steady + self.limits.drain));
    }

    /// It is over.
    pub(super) fn end(
        &mut self,
        id: RankId,
        was_waiting: bool,
        end: End,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        self.set_due(id, None);
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        match end.held {
            Held::Nothing => {}
            Held::Resources => self.slots.give_back(attempt.amounts()),
            Held::Output => actions.push(Action::CloseOutput { attempt: id }),
        }
        if let Some(place) = attempt.start_report.take() {
            // The end says when it started, too.
            self.outbox.drop_unsent(place);
        }
        if attempt.definition.spec.checkpoint {
            actions.push(Action::Release(id));
        }
        self.close_output(id);
        self.unended -= 1;
        if let Some(job) = self.jobs.get_mut(&id.attempt.task.job) {
            job.unended -= 1;
        }
        let bound = self.output_bound();
        match end.outcome {
            Some(outcome) => {
                if outcome == Outcome::Cancelled {
                    // Nobody wants it to go on, so it does not wait for room for what it has printed.
                    self.drop_held(id);
                }
                let Some(attempt) = self.attempts.get(&id) else { return };
                self.outbox.push(Report::Ended {
                    attempt: id,
                    outcome,
                    usage: attempt.usage(end.exit, bound),
                    started: attempt.started,
                    ended: end.exit.map_or(now.wall, |exit| exit.ended),
                });
            }
            None => {
                self.attempts.remove(&id);
            }
        }
        if was_waiting {
            let attempts = &self.attempts;
            self.slots.left(|id| attempts.get(&id).is_some_and(|one| one.phase == Phase::Waiting));
        }
        self.sweep(id.attempt.task.job, actions);
    }
}
