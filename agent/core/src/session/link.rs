//! The link, its lease, and the end of the agent.

use repower_model::{JobSpec, OnDisconnect, RankId, Resources, Span};

use super::{Link, Session};
use crate::attempt::Attempt;
use crate::phase::{Event, Phase, Why};
use crate::{Action, Limits, Moment, Now, Terms};

/// The time between the signals of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grace {
    /// Between the checkpoint signal and SIGTERM.
    pub(super) saving: Span,
    /// Between SIGTERM and SIGKILL.
    pub(super) ending: Span,
}

impl Session {
    /// Who attaches stays, whatever the agent before it was told: its tasks that were being stopped end,
    /// and others start. What waits and can no longer fit is given back.
    pub(super) fn attached(
        &mut self,
        capacity: Resources,
        limits: Limits,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        self.limits = limits;
        self.leaving = false;
        self.slots.resize(capacity);
        let waits = |attempt: &Attempt| matches!(attempt.phase, Phase::Waiting | Phase::Staging);
        let fits = |attempt: &Attempt| self.slots.capacity().holds(attempt.amounts());
        let unfit = self.attempts.iter().filter(|(_, one)| waits(one) && !fits(one));
        let unfit: Vec<RankId> = unfit.map(|(id, _)| *id).collect();
        for attempt in unfit {
            self.step(attempt, &Event::Recall, now, actions);
        }
    }

    pub(super) fn link_up(&mut self, terms: Terms, now: Now, actions: &mut Vec<Action>) {
        self.link = Link::Up { terms, contact: now.steady };
        self.outbox.rewind();
        // Definitions are sent anew on each link.
        let jobs: Vec<_> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.forget(job, actions);
        }
    }

    pub(super) fn heard(&mut self, at: Moment) {
        if let Link::Up { contact, .. } = &mut self.link {
            *contact = at.max(*contact);
        }
    }

    pub(super) fn link_down(&mut self, contact: Moment) {
        match self.link {
            Link::Up { terms, .. } => self.link = Link::Down { terms, contact },
            Link::Never | Link::Down { .. } | Link::LeaseLost(_) => {}
        }
    }

    /// The bound of each output stream.
    pub(super) fn output_bound(&self) -> u64 {
        match self.link {
            Link::Never => 0,
            Link::Up { terms, .. } | Link::Down { terms, .. } | Link::LeaseLost(terms) => {
                terms.output_bytes
            }
        }
    }

    /// When the tasks must be ended for want of contact: after three quarters of the lease, so that
    /// they are gone (see [`Session::grace`]) before the scheduler gives them to somebody else.
    ///
    /// Also while the link is up: whoever holds it may have been stopped, and the scheduler goes by what
    /// it hears, not by what is open.
    pub(super) fn lease_ends(&self) -> Option<Moment> {
        match self.link {
            Link::Up { terms, contact } | Link::Down { terms, contact } => {
                Some(contact + Span::from_millis(terms.lease.as_millis() / 4 * 3))
            }
            Link::Never | Link::LeaseLost(_) => None,
        }
    }

    /// The time between the signals of a task that is stopped for `why`, or for that and then because
    /// the agent leaves or has lost its lease: then both graces together last no longer than the end
    /// of the agent or of the lease allows, and what saves its work gets half of that for it at the most.
    pub(super) fn grace(&self, why: Why, spec: &JobSpec) -> Grace {
        let asked =
            Grace { saving: spec.checkpoint_grace.unwrap_or(spec.grace), ending: spec.grace };
        let asked = match spec.checkpoint_signal {
            Some(_) if why.wants_the_work() => asked,
            Some(_) | None => Grace { saving: Span::ZERO, ..asked },
        };
        match self.most(why, spec.on_disconnect) {
            None => asked,
            Some(most) => {
                let saving = asked.saving.min(Span::from_millis(most.as_millis() / 2));
                let left = most.as_millis().saturating_sub(saving.as_millis());
                Grace { saving, ending: asked.ending.min(Span::from_millis(left)) }
            }
        }
    }

    /// How long a stop for `why` may take in all; `None`: as long as the job wants.
    fn most(&self, why: Why, on_disconnect: OnDisconnect) -> Option<Span> {
        let short = self.limits.short_grace;
        let in_lease = |terms: Terms| short.min(Span::from_millis(terms.lease.as_millis() / 8));
        match (why, &self.link) {
            (Why::LeaseLost, Link::Up { terms, .. } | Link::Down { terms, .. }) => {
                Some(in_lease(*terms))
            }
            (_, Link::LeaseLost(terms)) if on_disconnect == OnDisconnect::Stop => {
                Some(in_lease(*terms))
            }
            (Why::LeaseLost, Link::Never | Link::LeaseLost(_)) => Some(Span::ZERO),
            (Why::Stale | Why::Leaving, _) => Some(short),
            (
                Why::Cancelled
                | Why::Preempted
                | Why::Drained
                | Why::TimedOut
                | Why::Checkpointed
                | Why::Finding,
                _,
            ) => self.leaving.then_some(short),
        }
    }

    /// Looks at everything whose moment has come.
    pub(super) fn timer(&mut self, now: Now, actions: &mut Vec<Action>) {
        while let Some(attempt) = self.timers.pop(now.steady) {
            if let Some(known) = self.attempts.get_mut(&attempt) {
                known.due = None;
            }
            self.step(attempt, &Event::Due, now, actions);
        }
        self.flush_due(now);
        if self.lease_ends().is_some_and(|end| end <= now.steady) {
            if let Link::Up { terms, .. } | Link::Down { terms, .. } = self.link {
                self.link = Link::LeaseLost(terms);
            }
            self.stop_all(Why::LeaseLost, now, actions);
        }
    }

    pub(super) fn leave(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.leaving = true;
        self.stop_all(Why::Leaving, now, actions);
    }

    fn stop_all(&mut self, why: Why, now: Now, actions: &mut Vec<Action>) {
        let all: Vec<RankId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.phase != Phase::Ended)
            .map(|(id, _)| *id)
            .collect();
        for attempt in all {
            self.step(attempt, &Event::Stop(why), now, actions);
        }
    }
}
