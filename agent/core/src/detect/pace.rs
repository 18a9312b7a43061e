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
}

impl Pace {
    /// The first look is due at once.
    pub fn new(settings: PaceSettings, now: Moment) -> Self {
        Self { settings, due: now, every: settings.stop_every, calm: 0 }
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
            Outcome::NotStopped => self.every,
        };
        self.due = now + wait;
    }
}
