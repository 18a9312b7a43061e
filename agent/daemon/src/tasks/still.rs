//! Tasks that are to stand still, and to go on.
//!
//! Both take a look at every process of the task, and without a control group at every one of the host. So a thread of
//! its own does them, without the lock; what was asked for last is what comes to be. Signals that a task is sent
//! meanwhile are not lost: who stands still hears them when it goes on, and SIGKILL at once.

use std::os::fd::OwnedFd;

use repower_agent_core::Input;
use repower_model::RankId;

use super::Tasks;
use super::crew::Work;
use super::state::State;
use crate::sense::{self, Frozen, Members};

/// Whether a task stands still, and whether it is to.
#[derive(Debug, Default)]
pub(super) struct Still {
    wanted: bool,
    /// Whether a thread sees to it.
    busy: bool,
    frozen: Option<Frozen>,
    /// How often one of its processes was found that did not stand still any more.
    astir: u64,
}

/// What a thread is to do about a task.
#[derive(Debug)]
enum Step {
    Freeze { attempt: RankId, members: Members, first: Option<OwnedFd> },
    Release { attempt: RankId, frozen: Frozen },
}

impl Still {
    /// Whether the task is to stand still.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// It is to stand still, or to go on; returns whether a thread has to be told.
    fn want(&mut self, wanted: bool) -> bool {
        self.wanted = wanted;
        let is_so = self.frozen.is_some() == wanted;
        !is_so && !std::mem::replace(&mut self.busy, true)
    }

    fn is_by_signals(&self) -> bool {
        !self.busy && self.frozen.as_ref().is_some_and(|frozen| !frozen.is_by_group())
    }

    /// So many processes did not stand still any more; returns whether that is told: the first time, and whenever there
    /// are twice as many.
    fn note(&mut self, astir: u64) -> bool {
        let before = self.astir;
        self.astir = before.saturating_add(astir);
        before.checked_ilog2() != self.astir.checked_ilog2()
    }

    /// Its task is over; returns whether a thread still looks at the processes.
    pub(super) fn end(&mut self) -> bool {
        // Its control group may serve again, and must not hold the next one.
        if let Some(frozen) = self.frozen.take() {
            frozen.give_up();
        }
        self.busy
    }
}

impl State {
    /// Lets the processes of an attempt stand still, or go on.
    pub(super) fn stand(&mut self, attempt: RankId, still: bool, tasks: &Tasks) {
        let Some(serial) = self.serial(attempt) else { return };
        let Some(child) = self.children.get_mut(&serial) else { return };
        if child.still.want(still) {
            tasks.crew.add(Work::Stand(serial));
        }
    }

    /// Whether a task stands still that others could let go on.
    pub(super) fn holds_by_signals(&self) -> bool {
        self.children.values().any(|child| child.still.is_by_signals())
    }

    /// Those tasks, for a look whether they still do: whoever has them sees to them.
    fn held(&mut self) -> Vec<(u64, RankId, Frozen)> {
        let held = self.children.iter_mut().filter(|(_, child)| child.still.is_by_signals());
        let take = held.filter_map(|(serial, child)| {
            let frozen = child.still.frozen.take()?;
            child.still.busy = true;
            Some((*serial, child.attempt, frozen))
        });
        take.collect()
    }

    /// What there is to do about a task; `None`: it stands as it is to, or is over.
    fn next_step(&mut self, serial: u64) -> Option<Step> {
        let Some(child) = self.children.get_mut(&serial) else {
            // Nobody looks at its processes any more: what has held it may hold another.
            self.freed.extend(self.lingering.remove(&serial));
            return None;
        };
        let attempt = child.attempt;
        match (child.still.wanted, child.still.frozen.take()) {
            (true, None) => {
                if let Some(members) = child.members() {
                    let first = child.pidfd.try_clone();
                    let first = first.inspect_err(|error| {
                        tracing::warn!(%attempt, %error, "a task is frozen that may end meanwhile");
                    });
                    return Some(Step::Freeze { attempt, members, first: first.ok() });
                }
            }
            (false, Some(frozen)) => return Some(Step::Release { attempt, frozen }),
            (_, frozen) => child.still.frozen = frozen,
        }
        child.still.busy = false;
        None
    }
}

impl Tasks {
    /// Sees to it that a task stands still or goes on, as was asked for last.
    pub(super) fn see_to(&self, serial: u64) {
        loop {
            let step = self.lock().next_step(serial);
            match step {
                Some(Step::Freeze { attempt, members, first }) => {
                    let frozen = sense::freeze(&members, first);
                    self.froze(serial, attempt, frozen);
                }
                Some(Step::Release { attempt, frozen }) => {
                    frozen.release();
                    tracing::info!(%attempt, "a task goes on");
                }
                // There may be something to give back, or to report.
                None => return self.wake(),
            }
        }
    }

    /// Looks whether all stands still that others could let go on, and stops again what does not.
    pub(super) fn keep_still(&self) {
        let held = self.lock().held();
        for (serial, attempt, mut frozen) in held {
            let astir = frozen.hold() as u64;
            self.looked_again(serial, attempt, frozen, astir);
        }
    }

    /// A task was looked at again.
    fn looked_again(&self, serial: u64, attempt: RankId, frozen: Frozen, astir: u64) {
        let mut state = self.lock();
        let Some(child) = state.children.get_mut(&serial) else {
            drop(state);
            frozen.give_up();
            return self.see_to(serial);
        };
        child.still.frozen = Some(frozen);
        let (is_told, times) = (child.still.note(astir), child.still.astir);
        if is_told {
            let detail = format!(
                "something has let processes of it go on ({times} times by now), which were stopped again"
            );
            tracing::warn!(%attempt, detail, "a task that stands still was let go on");
            self.apply(&mut state, Input::StandsInPart { attempt, detail });
        }
        drop(state);
        // It may be over by now, or is to go on.
        self.see_to(serial);
    }

    /// A task stands still.
    fn froze(&self, serial: u64, attempt: RankId, frozen: Frozen) {
        let mut state = self.lock();
        let Some(child) = state.children.get_mut(&serial) else { return frozen.give_up() };
        let by_group = frozen.is_by_group();
        let partial = frozen.partial().map(ToString::to_string);
        child.still.frozen = Some(frozen);
        let Some(detail) = partial else {
            return tracing::warn!(%attempt, by_group, "a task stands still");
        };
        tracing::error!(%attempt, detail, "a task stands still in part only");
        self.apply(&mut state, Input::StandsInPart { attempt, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_on_again_and_again_is_told_ever_more_rarely() {
        let mut still = Still::default();

        let told: Vec<u64> = (1..=20).filter(|_| still.note(1)).map(|_| 1).collect();

        assert_eq!((told.len(), still.astir), (5, 20), "at 1, 2, 4, 8 and 16");
        assert!(!still.note(0));
    }

    #[test]
    fn a_thread_is_told_once_and_only_if_there_is_something_to_do() {
        let mut still = Still::default();

        assert!(!still.want(false), "it goes on already");
        assert!(still.want(true));
        assert!(!still.want(false), "who sees to it will see");
        assert!(!still.want(true));
        assert!(still.is_wanted());
        assert!(still.end(), "a thread still looks");
    }
}
