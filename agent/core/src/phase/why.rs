//! Why an attempt is stopped, what its job says of such an end, and what the end then means.

use repower_model::{JobSpec, OnDisconnect, Outcome, StopCause};

use crate::{Exit, Signal, Status};

/// What a job says of the end of its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The signal that tells it to save its work.
    pub(crate) signal: Option<i32>,
    /// The exit code that says: saved, start me again.
    pub(crate) saved: Option<i32>,
    /// Whether it goes on when the scheduler has not been heard for too long.
    pub(crate) keeps: bool,
}

/// Why an attempt is stopped before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody cancelled it.
    Cancelled,
    /// More urgent work needs its place.
    Preempted,
    /// Its node is to be empty.
    Drained,
    /// Its time limit.
    TimedOut,
    /// The scheduler has given it up.
    Stale,
    /// The scheduler has not been heard for too long.
    LeaseLost,
    /// The agent ends.
    Leaving,
    /// A rank of its gang has saved its work and ended.
    Checkpointed,
    /// It is not what its job declares.
    Finding,
}

impl Rules {
    /// Those of a job.
    pub(crate) fn of(spec: &JobSpec) -> Self {
        Self {
            signal: spec.checkpoint_signal,
            saved: spec.checkpoint_exit,
            keeps: spec.on_disconnect == OnDisconnect::Keep,
        }
    }

    /// The first signal of a stop: the job's own, if it has one and somebody wants its work.
    pub(super) fn first_signal(self, why: Why) -> Signal {
        match self.signal {
            _ if why == Why::Finding => Signal::Kill,
            Some(number) if why.wants_the_work() => Signal::Checkpoint(number),
            Some(_) | None => Signal::Terminate,
        }
    }

    /// Whether the job goes on in spite of this.
    pub(super) fn defies(self, why: Why) -> bool {
        self.keeps && why == Why::LeaseLost
    }

    /// What `exit` means if the attempt was stopped for `why`; `None`: nobody wants to know.
    pub(super) fn outcome(self, why: Option<Why>, exit: Exit) -> Option<Outcome> {
        let code = match exit.status {
            Status::Code(code) => Some(code),
            Status::Signal(_) | Status::OutOfMemory | Status::NotExecuted(_) | Status::Unknown => {
                None
            }
        };
        let asks = matches!(
            why,
            None | Some(Why::TimedOut | Why::LeaseLost | Why::Leaving | Why::Checkpointed)
        );
        if let Some(code) = code.filter(|code| asks && self.saved == Some(*code)) {
            return Some(Outcome::Checkpointed { code });
        }
        let Some(why) = why else {
            return Some(by_itself(exit.status));
        };
        // A job that has a code for "saved" means with 0 that it was done before it had to save.
        if why.wants_the_work() && self.saved.is_some() && code == Some(0) {
            return Some(Outcome::Exited { code: 0 });
        }
        why.outcome()
    }
}

impl Why {
    /// Which of two reasons counts: what makes the report worthless wins, then a finding, else the first.
    pub(super) fn and(self, later: Self) -> Self {
        match (self, later) {
            (_, Self::Stale) => later,
            (Self::Stale, _) => self,
            (_, Self::Finding) => later,
            _ => self,
        }
    }

    /// Whether what the attempt has done so far is of use to the one that comes after it.
    pub(crate) fn wants_the_work(self) -> bool {
        match self {
            Self::Preempted
            | Self::Drained
            | Self::TimedOut
            | Self::LeaseLost
            | Self::Leaving
            | Self::Checkpointed => true,
            Self::Cancelled | Self::Stale | Self::Finding => false,
        }
    }

    /// What the ledger says of it; `None`: nobody wants to know.
    pub(crate) fn cause(self) -> Option<StopCause> {
        match self {
            Self::Cancelled => Some(StopCause::Cancelled),
            Self::Preempted => Some(StopCause::Preempted),
            Self::Drained => Some(StopCause::Drained),
            Self::TimedOut => Some(StopCause::TimedOut),
            Self::LeaseLost => Some(StopCause::LeaseLost),
            Self::Leaving => Some(StopCause::Leaving),
            Self::Checkpointed => Some(StopCause::Checkpointed),
            Self::Finding => Some(StopCause::Finding),
            Self::Stale => None,
        }
    }

    /// The outcome of an attempt that was stopped for this reason after it had started.
    fn outcome(self) -> Option<Outcome> {
        match self {
            // What is left of a gang is cancelled when one of its ranks has ended it.
            Self::Cancelled | Self::Checkpointed => Some(Outcome::Cancelled),
            Self::Finding => Some(Outcome::Finding { detail: String::new() }),
            Self::Preempted => Some(Outcome::Preempted),
            Self::Drained => Some(Outcome::Drained),
            Self::TimedOut => Some(Outcome::TimedOut),
            Self::Stale => None,
            Self::LeaseLost => Some(Outcome::Lost {
                detail: "the agent stopped it because it could not reach the scheduler for the length of its lease".into(),
            }),
            Self::Leaving => Some(Outcome::Lost {
                detail: "the agent was told to end and stopped it".into(),
            }),
        }
    }

    /// The outcome of an attempt that was stopped for this reason before it started.
    pub(super) fn outcome_unstarted(self) -> Option<Outcome> {
        match self {
            Self::Cancelled | Self::Checkpointed | Self::Finding => Some(Outcome::Cancelled),
            Self::Stale => None,
            Self::Preempted | Self::Drained | Self::TimedOut | Self::LeaseLost | Self::Leaving => {
                Some(Outcome::Recalled)
            }
        }
    }
}

/// How a process ended that nobody stopped.
fn not_executed(error: i32) -> String {
    let (why, hint) = match error {
        2 => {
            ("there is no such program", "check its path, and the interpreter that a script names")
        }
        8 => (
            "it is neither a program nor a script with a #! line",
            "add #!/bin/sh as its first line",
        ),
        13 => ("it may not be executed", "set its execute bit"),
        7 => ("its arguments and variables are too long", "put them into a file"),
        _ => return format!("the program cannot be executed in its container: error {error}"),
    };
    format!("the program cannot be executed in its container: {why}: {hint}")
}

fn by_itself(status: Status) -> Outcome {
    match status {
        Status::Code(code) => Outcome::Exited { code },
        Status::Signal(signal) => Outcome::Signalled { signal },
        Status::OutOfMemory => Outcome::OutOfMemory,
        Status::NotExecuted(error) => Outcome::NotStarted { detail: not_executed(error) },
        Status::Unknown => Outcome::Lost {
            detail: "its process is gone, and the system does not say how it ended".into(),
        },
    }
}
