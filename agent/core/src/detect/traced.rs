//! Threads that compute while somebody traces them, so that nobody else can stop them.
//!
//! Who debugs a job stops it, reads and thinks: then it does not compute. A trace of its system calls takes seconds or
//! a few minutes. What computes for longer under somebody's trace keeps the probe away.

use repower_model::Timestamp;

use super::TracedSettings;
use crate::Now;

/// The looks at one task that found a busy thread traced.
#[derive(Debug, Default)]
pub(super) struct Traced {
    stretch: Option<Stretch>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    begun: Now,
    last: Now,
    looks: u32,
}

impl Traced {
    /// When it began, if it has lasted. Of the task and not of a process: tracers may take turns.
    pub(super) fn observe(&mut self, now: Now, settings: &TracedSettings) -> Option<Timestamp> {
        let fresh = Stretch { begun: now, last: now, looks: 0 };
        let is_same = |one: &Stretch| now.steady.since(one.last.steady) <= settings.gap;
        let mut stretch = self.stretch.filter(is_same).unwrap_or(fresh);
        stretch.looks = stretch.looks.saturating_add(1);
        stretch.last = now;
        self.stretch = Some(stretch);
        let has_lasted = now.steady.since(stretch.begun.steady) >= settings.lasts;
        (has_lasted && stretch.looks >= settings.looks).then_some(stretch.begun.wall)
    }
}
