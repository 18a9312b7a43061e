//! The life of an attempt on this node: one door, a total match on (phase, event).

use repower_model::Outcome;

use crate::{Exit, Status};

/// Where an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The inputs of its job are not here yet.
    Staging,
    /// In the queue.
    Waiting,
    /// A launch has been asked for and not answered.
    Starting {
        /// Why it must stop as soon as it runs.
        stop: Option<Why>,
    },
    /// Its process runs.
    Running,
    /// SIGTERM has been sent.
    Stopping {
        /// Why.
        why: Why,
    },
    /// SIGKILL has been sent.
    Killed {
        /// Why.
        why: Why,
    },
    /// Its process has ended, and its output has not.
    Draining {
        /// Why it was stopped, if it was.
        why: Option<Why>,
        /// How it ended.
        exit: Exit,
    },
    /// Its process has ended, and its outputs are being brought back.
    Collecting {
        /// How it will be over.
        end: End,
    },
    /// Over; kept only until its report is acknowledged.
    Ended,
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
}

/// What happens to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The inputs of its job are here.
    Staged,
    /// It is at the front and what it needs is free.
    Turn,
    /// It must not run any longer.
    Stop(Why),
    /// It must not start.
    Recall,
    /// Its process runs.
    Started,
    /// Its process could not be started.
    NotStarted { detail: String },
    /// Its process has ended.
    Exited { exit: Exit, drained: bool },
    /// Its output is at the end.
    Drained,
    /// Its outputs are in the store.
    Collected,
    /// The moment that was set for it has come.
    Due,
}

/// What a change of phase asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    Launch,
    /// Report the start, and set the time limit.
    Begin,
    /// Report the start, then stop it.
    BeginAndTerminate,
    /// Stop it, with a grace.
    Terminate,
    /// It is stopped for one more reason: its grace may have become shorter.
    Hasten,
    Kill,
    /// What it held is free; wait for its output.
    Drain,
    /// Its process is over: bring back what it has made, then it is over.
    Finish(End),
    /// It is over.
    End(End),
}

/// How an attempt is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// `None`: the scheduler does not want to know.
    pub(crate) outcome: Option<Outcome>,
    /// Of its process, if there was one.
    pub(crate) exit: Option<Exit>,
    /// What it held.
    pub(crate) held: Held,
}

/// What an attempt still held when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing any more, or not yet.
    Nothing,
    /// Its resources.
    Resources,
    /// Only its output, which somebody else keeps open.
    Output,
}

impl Why {
    /// Which of two reasons counts: what makes the report worthless wins, else the first.
    fn and(self, later: Self) -> Self {
        if later == Self::Stale { later } else { self }
    }

    /// The outcome of an attempt that was stopped for this reason after it had started.
    fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Cancelled => Some(Outcome::Cancelled),
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
    fn outcome_unstarted(self) -> Option<Outcome> {
        match self {
            Self::Cancelled => Some(Outcome::Cancelled),
            Self::Stale => None,
            Self::Preempted | Self::Drained | Self::TimedOut | Self::LeaseLost | Self::Leaving => {
                Some(Outcome::Recalled)
            }
        }
    }
}

/// What `exit` means if the attempt was stopped for `why`.
fn outcome(why: Option<Why>, exit: Exit) -> Option<Outcome> {
    if let Some(why) = why {
        return why.outcome();
    }
    Some(match exit.status {
        Status::Code(code) => Outcome::Exited { code },
        Status::Signal(signal) => Outcome::Signalled { signal },
        Status::OutOfMemory => Outcome::OutOfMemory,
        Status::Unknown => Outcome::Lost {
            detail: "its process is gone, and the system does not say how it ended".into(),
        },
    })
}

impl Phase {
    /// The phase after `event`, and what has to be done.
    pub(crate) fn after(self, event: &Event) -> (Self, Deed) {
        match self {
            Self::Staging => staging(event),
            Self::Waiting => waiting(event),
            Self::Starting { stop } => starting(stop, event),
            Self::Running => running(event),
            Self::Stopping { why } => stopping(why, event),
            Self::Killed { why } => killed(why, event),
            Self::Draining { why, exit } => draining(why, exit, event),
            Self::Collecting { end } => collecting(end, event),
            Self::Ended => (Self::Ended, Deed::Nothing),
        }
    }
}

fn end(outcome: Option<Outcome>, exit: Option<Exit>, held: Held) -> (Phase, Deed) {
    (Phase::Ended, Deed::End(End { outcome, exit, held }))
}

/// The process is over; what it has made may still have to be brought back.
fn finish(why: Option<Why>, exit: Exit, held: Held) -> (Phase, Deed) {
    (Phase::Ended, Deed::Finish(End { outcome: outcome(why, exit), exit: Some(exit), held }))
}

fn exited(why: Option<Why>, exit: Exit, drained: bool) -> (Phase, Deed) {
    if drained {
        finish(why, exit, Held::Resources)
    } else {
        (Phase::Draining { why, exit }, Deed::Drain)
    }
}

fn staging(event: &Event) -> (Phase, Deed) {
    match event {
        Event::Staged => (Phase::Waiting, Deed::Nothing),
        Event::NotStarted { detail } => {
            end(Some(Outcome::NotStarted { detail: detail.clone() }), None, Held::Nothing)
        }
        &Event::Stop(why) => end(why.outcome_unstarted(), None, Held::Nothing),
        Event::Recall => end(Some(Outcome::Recalled), None, Held::Nothing),
        Event::Turn
        | Event::Started
        | Event::Exited { .. }
        | Event::Drained
        | Event::Collected
        | Event::Due => (Phase::Staging, Deed::Nothing),
    }
}

fn collecting(end: End, event: &Event) -> (Phase, Deed) {
    match event {
        Event::Collected => (Phase::Ended, Deed::End(end)),
        Event::Stop(Why::Stale) => (Phase::Ended, Deed::End(End { outcome: None, ..end })),
        // Its process has ended by itself: that somebody wanted that changes nothing any more.
        Event::Stop(_)
        | Event::Staged
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Exited { .. }
        | Event::Drained
        | Event::Due => (Phase::Collecting { end }, Deed::Nothing),
    }
}

fn waiting(event: &Event) -> (Phase, Deed) {
    match event {
        Event::Turn => (Phase::Starting { stop: None }, Deed::Launch),
        &Event::Stop(why) => end(why.outcome_unstarted(), None, Held::Nothing),
        Event::Recall => end(Some(Outcome::Recalled), None, Held::Nothing),
        Event::Staged
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Exited { .. }
        | Event::Drained
        | Event::Collected
        | Event::Due => (Phase::Waiting, Deed::Nothing),
    }
}

fn starting(stop: Option<Why>, event: &Event) -> (Phase, Deed) {
    match event {
        Event::Started => match stop {
            Some(why) => (Phase::Stopping { why }, Deed::BeginAndTerminate),
            None => (Phase::Running, Deed::Begin),
        },
        Event::NotStarted { detail } => {
            let outcome = match stop {
                Some(why) => why.outcome_unstarted(),
                None => Some(Outcome::NotStarted { detail: detail.clone() }),
            };
            end(outcome, None, Held::Resources)
        }
        &Event::Stop(why) => {
            let why = stop.map_or(why, |first| first.and(why));
            (Phase::Starting { stop: Some(why) }, Deed::Nothing)
        }
        Event::Staged
        | Event::Turn
        | Event::Recall
        | Event::Exited { .. }
        | Event::Drained
        | Event::Collected
        | Event::Due => (Phase::Starting { stop }, Deed::Nothing),
    }
}

fn running(event: &Event) -> (Phase, Deed) {
    match event {
        &Event::Stop(why) => (Phase::Stopping { why }, Deed::Terminate),
        Event::Due => (Phase::Stopping { why: Why::TimedOut }, Deed::Terminate),
        &Event::Exited { exit, drained } => exited(None, exit, drained),
        Event::Staged
        | Event::Collected
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained => (Phase::Running, Deed::Nothing),
    }
}

fn stopping(why: Why, event: &Event) -> (Phase, Deed) {
    match event {
        &Event::Stop(later) => (Phase::Stopping { why: why.and(later) }, Deed::Hasten),
        Event::Due => (Phase::Killed { why }, Deed::Kill),
        &Event::Exited { exit, drained } => exited(Some(why), exit, drained),
        Event::Staged
        | Event::Collected
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained => (Phase::Stopping { why }, Deed::Nothing),
    }
}

fn killed(why: Why, event: &Event) -> (Phase, Deed) {
    match event {
        &Event::Stop(later) => (Phase::Killed { why: why.and(later) }, Deed::Nothing),
        &Event::Exited { exit, drained } => exited(Some(why), exit, drained),
        Event::Staged
        | Event::Collected
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained
        | Event::Due => (Phase::Killed { why }, Deed::Nothing),
    }
}

fn draining(why: Option<Why>, exit: Exit, event: &Event) -> (Phase, Deed) {
    match event {
        Event::Stop(Why::Stale) => (Phase::Draining { why: Some(Why::Stale), exit }, Deed::Nothing),
        Event::Drained => finish(why, exit, Held::Nothing),
        Event::Due => finish(why, exit, Held::Output),
        // It has ended by itself: that somebody wanted it to end changes nothing any more.
        Event::Stop(
            Why::Cancelled
            | Why::Preempted
            | Why::Drained
            | Why::TimedOut
            | Why::LeaseLost
            | Why::Leaving,
        )
        | Event::Staged
        | Event::Collected
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Exited { .. } => (Phase::Draining { why, exit }, Deed::Nothing),
    }
}
