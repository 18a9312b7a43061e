//! The agent's session: the one door of this crate.

mod files;
mod findings;
mod life;
mod link;
mod orders;
mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use repower_model::{Checkpoint, JobId, Outcome, RankId, Rendezvous, Resources};

pub use findings::Seen;

use crate::attempt::Attempt;
use crate::outbox::{Batch, BatchLimits, Outbox};
use crate::phase::{Event, Phase};
use crate::slots::Slots;
use crate::timers::Timers;
use crate::{Action, Definition, Input, Limits, Moment, Now, Terms};

/// What an agent knows and owes, from its start to its end, over all links.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    slots: Slots,
    jobs: BTreeMap<JobId, Job>,
    attempts: BTreeMap<RankId, Attempt>,
    /// How many of them are not over.
    unended: usize,
    timers: Timers,
    outbox: Outbox,
    link: Link,
    /// When windows of output go out.
    flushes: Timers,
    /// How many windows of output there are.
    windows: usize,
    /// Whether output is not read because too much of it waits.
    paused: bool,
    /// Whether an attempt that was slowed may be read again.
    eased: bool,
    leaving: bool,
}

/// A job of which tasks have been placed here.
#[derive(Debug)]
struct Job {
    definition: Arc<Definition>,
    /// Attempts that are not over.
    unended: usize,
    /// Whether no more tasks will come without a new definition.
    forgotten: bool,
    inputs: Inputs,
}

/// What comes with the order to start an attempt.
#[derive(Debug)]
struct Order {
    alternative: Option<u32>,
    rendezvous: Option<Arc<Rendezvous>>,
    checkpoint: Option<Checkpoint>,
}

/// How far the inputs of a job are, its image among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inputs {
    /// There are some, and nobody was told to bring them.
    Elsewhere,
    /// They are on their way.
    Coming,
    /// They are on this node, or there are none.
    Here,
}

/// How the scheduler is reached.
#[derive(Debug)]
enum Link {
    /// There has been no welcome yet.
    Never,
    /// The scheduler was there at the moment `contact`, if not later.
    Up {
        terms: Terms,
        contact: Moment,
    },
    Down {
        terms: Terms,
        contact: Moment,
    },
    /// Down for so long that the tasks have been ended.
    LeaseLost(Terms),
}

impl Session {
    /// A session of an agent whose tasks can have `capacity`.
    pub fn new(capacity: Resources, limits: Limits) -> Self {
        Self {
            limits,
            slots: Slots::new(capacity),
            jobs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            unended: 0,
            timers: Timers::default(),
            outbox: Outbox::new(),
            link: Link::Never,
            flushes: Timers::default(),
            windows: 0,
            paused: false,
            eased: false,
            leaving: false,
        }
    }

    /// Takes in what happened at `now`, and adds to `actions` what has to be done about it, in this order.
    pub fn handle(&mut self, input: Input<'_>, now: Now, actions: &mut Vec<Action>) {
        match input {
            Input::Attached { capacity, limits } => self.attached(capacity, limits, now, actions),
            Input::LinkUp(terms) => self.link_up(terms, now, actions),
            Input::Heard(contact) => self.heard(contact),
            Input::HoldOutput(hold) => self.outbox.hold(hold),
            Input::LinkDown { contact } => self.link_down(contact),
            Input::Define { job, spec, tasks, watch, hardest } => {
                self.define(Definition { job, spec: *spec, tasks, watch, hardest });
            }
            Input::Freeze(attempt) => self.freeze(attempt, now, actions),
            Input::Thaw(attempt, rules) => self.thaw(attempt, rules, now, actions),
            Input::StandsInPart { attempt, detail } => self.stands_in_part(attempt, &detail),
            Input::Noticed(noticed) => self.noticed(*noticed, now, actions),
            Input::Forget(job) => self.forget(job, actions),
            Input::Start { attempt, alternative, rendezvous, checkpoint } => {
                let order = Order { alternative, rendezvous, checkpoint };
                self.start(attempt, &order, now, actions);
            }
            Input::DropCheckpoint(task) => actions.push(Action::DropCheckpoint(task)),
            Input::Restored(attempt) => self.restored(attempt, now, actions),
            Input::Saved { attempt, kept } => self.saved(attempt, kept, now, actions),
            Input::Stop(attempt, reason) => self.stop(attempt, reason, now, actions),
            Input::Acknowledged(through) => self.acknowledged(through),
            Input::Staged(job) => self.staged(job, now, actions),
            Input::NotStaged { job, detail } => self.not_staged(job, &detail, now, actions),
            Input::Collected { attempt, artefacts, missing } => {
                self.collected(attempt, artefacts, missing, now, actions);
            }
            Input::Started { attempt } => self.step(attempt, &Event::Started, now, actions),
            Input::NotStarted { attempt, detail } => {
                let outcome = Outcome::NotStarted { detail };
                self.step(attempt, &Event::NotStarted { outcome }, now, actions);
            }
            Input::Forbidden { attempt, detail } => {
                let outcome = Outcome::Finding { detail };
                self.step(attempt, &Event::NotStarted { outcome }, now, actions);
            }
            Input::Output { attempt, stream, data } => self.output(attempt, stream, data, now),
            Input::Claimed { attempt, progress } => self.claimed(attempt, progress),
            Input::Exited { attempt, exit, drained } => {
                self.step(attempt, &Event::Exited { exit, drained }, now, actions);
            }
            Input::Drained { attempt } => self.step(attempt, &Event::Drained, now, actions),
            Input::Timer => self.timer(now, actions),
            Input::Leave => self.leave(now, actions),
        }
        self.breathe(actions);
        self.fill(now, actions);
    }

    /// When `Input::Timer` is due, on the steady clock; `None`: not at all.
    pub fn wake_at(&self) -> Option<Moment> {
        let lease = self.lease_ends();
        [self.timers.first(), self.flushes.first(), lease].into_iter().flatten().min()
    }

    /// Every attempt that is known, in ascending order: waiting, running, or over and not yet acknowledged.
    pub fn held(&self) -> impl Iterator<Item = RankId> + '_ {
        self.attempts.keys().copied()
    }

    /// The next message of reports; `None` if there is nothing to send or too much is on its way.
    pub fn next_batch(&mut self, limits: &BatchLimits) -> Option<Batch<'_>> {
        match self.link {
            Link::Up { .. } => self.outbox.next_batch(limits),
            Link::Never | Link::Down { .. } | Link::LeaseLost(_) => None,
        }
    }

    /// The sequence of the next report that will be sent for the first time.
    pub fn next_sequence(&self) -> u64 {
        self.outbox.next_sequence()
    }

    /// Goes on where another session has come to rest: the next report has the sequence `next`.
    ///
    /// # Panics
    ///
    /// If this session has reported already.
    pub fn succeed(&mut self, next: u64) {
        self.outbox.succeed(next);
    }

    /// Whether the scheduler has been silent for so long that the tasks were ended.
    pub fn has_lost_lease(&self) -> bool {
        matches!(self.link, Link::LeaseLost(_))
    }

    /// Whether there are reports that have not been sent on this link.
    pub fn has_unsent(&self) -> bool {
        self.outbox.has_unsent()
    }

    /// Whether output of an attempt may be read; if not, `Action::ResumeReading` will say when to ask again.
    pub fn may_read(&self, attempt: RankId) -> bool {
        !self.paused && self.attempts.get(&attempt).is_none_or(|attempt| !attempt.slowed)
    }

    /// How many attempts wait for their turn, everything that they need being here.
    pub fn waiting(&self) -> usize {
        self.slots.waiting()
    }

    /// Whether no attempt waits or runs.
    pub fn is_idle(&self) -> bool {
        self.unended == 0
    }

    /// Whether no attempt waits or runs and all that was reported is durable.
    pub fn is_settled(&self) -> bool {
        self.is_idle() && self.outbox.len() == 0
    }

    /// Starts whoever is at the front of the queue, as long as what it needs is free.
    fn fill(&mut self, now: Now, actions: &mut Vec<Action>) {
        while self.may_start() {
            let Some(front) = self.slots.front() else {
                return;
            };
            let waiting = self.attempts.get(&front).filter(|one| one.phase == Phase::Waiting);
            let Some(attempt) = waiting else {
                self.slots.skip();
                continue;
            };
            if !self.slots.take(attempt.amounts()) {
                return;
            }
            self.slots.pop();
            self.step(front, &Event::Turn, now, actions);
        }
    }

    fn may_start(&self) -> bool {
        let in_touch = match self.link {
            Link::Up { .. } | Link::Down { .. } => true,
            Link::Never | Link::LeaseLost(_) => false,
        };
        in_touch && !self.leaving && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.outbox.len() >= self.limits.reports || self.outbox.bytes() >= self.limits.bytes
    }

    /// Stops reading at the bound, and reads again when half of it is free.
    fn breathe(&mut self, actions: &mut Vec<Action>) {
        if self.paused {
            if self.outbox.bytes() <= self.limits.bytes / 2 {
                self.paused = false;
                self.eased = true;
            }
        } else {
            self.paused = self.outbox.bytes() >= self.limits.bytes;
        }
        if !self.paused && std::mem::take(&mut self.eased) {
            actions.push(Action::ResumeReading);
        }
    }
}
