//! When an attempt has to be looked at again.

use std::collections::BTreeSet;

use repower_model::RankId;

use crate::Moment;

/// At most one moment for each attempt, soonest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Moment, RankId)>,
}

impl Timers {
    /// Replaces the moment `slot` of an attempt by `at`.
    pub(crate) fn set(&mut self, slot: &mut Option<Moment>, attempt: RankId, at: Option<Moment>) {
        if let Some(old) = std::mem::replace(slot, at) {
            self.due.remove(&(old, attempt));
        }
        if let Some(new) = at {
            self.due.insert((new, attempt));
        }
    }

    /// The soonest moment.
    pub(crate) fn first(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out an attempt whose moment is not after `now`.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<RankId> {
        let (at, attempt) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        Some(attempt)
    }
}
