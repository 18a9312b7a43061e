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
