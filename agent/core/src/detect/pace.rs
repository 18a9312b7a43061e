//! How often a task is looked at, so that looking costs next to nothing.

use repower_model::Span;

use super::PaceSettings;
use crate::Moment;

/// What became of a look for a running thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A thread was stopped, read and let go on; it stood still for so long.
    Stopped {
        /// How long it stood still.
        cost: Span,
    },
    /// No thread was running.
    NothingRan,
    /// No thread was running, nor had any since the look before.
    Slept,
    /// A thread was not there any more, or may not be stopped.
    NotStopped,
}

/// When to look next. Each stop pays for itself with the time until the next one.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    settings: PaceSettings,
    due: Moment,
    every: Span,
    calm: u32,
    /// The time until the next look if the task still sleeps then.
    asleep: Span,
}

impl Pace {
    /// The first look is due at once.
    pub fn new(settings: PaceSettings, now: Moment) -> Self {
        let asleep = settings.look_every;
        Self { settings, due: now, every: settings.stop_every, calm: 0, asleep }
    }

    /// When to look next.
    pub fn due(&self) -> Moment {
        self.due
    }

    /// Looks no sooner than this.
    pub fn not_before(&mut self, at: Moment) {
        self.due = self.due.max(at);
    }

    /// Something may be there: look as often as is allowed.
    pub fn hurry(&mut self) {
        self.every = self.settings.stop_every;
        self.calm = 0;
    }

    /// A window was filled and there was nothing in it.
    pub fn calm(&mut self) {
        self.calm = self.calm.saturating_add(1);
        if self.calm < self.settings.calm_windows.max(1) {
            return;
        }
        self.calm = 0;
        let doubled = Span::from_millis(self.every.as_millis().saturating_mul(2));
        self.every = doubled.min(self.settings.calm_every).max(self.settings.stop_every);
    }

    /// Plans the next look.
    pub fn looked(&mut self, outcome: Outcome, now: Moment) {
        let wait = match outcome {
            Outcome::Stopped { cost } => {
                let paid = cost.as_millis().saturating_mul(self.settings.cost_divisor);
                self.every.max(Span::from_millis(paid))
            }
            Outcome::NothingRan => self.settings.look_every,
            Outcome::Slept => self.asleep,
            Outcome::NotStopped => self.every,
        };
        let longer = Span::from_millis(wait.as_millis().saturating_mul(2));
        self.asleep = match outcome {
            Outcome::Slept => longer.min(self.settings.calm_every),
            Outcome::Stopped { .. } | Outcome::NothingRan | Outcome::NotStopped => {
                self.settings.look_every
            }
        };
        self.due = now + wait;
    }
}
