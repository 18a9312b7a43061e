//! The life of an attempt on this node: one door, a total match on (phase, event).

mod why;

use repower_model::Outcome;

pub(crate) use why::{Rules, Why};

use crate::{Exit, Signal};

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
    /// The job's checkpoint signal has been sent.
    Saving {
        /// Why.
        why: Why,
    },
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
    /// Its process has ended, and what it leaves is being brought to the store.
    Collecting {
        /// How it will be over.
        end: End,
        /// What of it is not there.
        left: Left,
    },
    /// Over; kept only until its report is acknowledged.
    Ended,
}

/// What a process leaves and is not in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// What it has made.
    pub(crate) outputs: bool,
    /// What it has saved for the next attempt.
    pub(crate) saved: bool,
}

impl Left {
    /// Whether there is anything.
    pub(crate) fn is_some(self) -> bool {
        self.outputs || self.saved
    }
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
    NotStarted { outcome: Outcome },
    /// Its process has ended.
    Exited { exit: Exit, drained: bool },
    /// Its output is at the end.
    Drained,
    /// Its outputs are in the store.
    Collected,
    /// What it has saved is in the store, or will not be.
    Saved,
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
    /// Report the start, then send a signal and report that.
    BeginAndSend(Signal),
    /// Send a signal and report it; after a grace follows the next.
    Send(Signal),
    /// It is stopped for one more reason: its grace may have become shorter.
    Hasten,
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

impl Phase {
    /// The phase after `event`, and what has to be done.
    pub(crate) fn after(self, event: &Event, rules: Rules) -> (Self, Deed) {
        match self {
            Self::Staging => staging(event),
            Self::Waiting => waiting(event),
            Self::Starting { stop } => starting(stop, event, rules),
            Self::Running => running(event, rules),
            Self::Saving { why } => saving(why, event, rules),
            Self::Stopping { why } => stopping(why, event, rules),
            Self::Killed { why } => killed(why, event, rules),
            Self::Draining { why, exit } => draining(why, exit, event, rules),
            Self::Collecting { end, left } => collecting(end, left, event),
            Self::Ended => (Self::Ended, Deed::Nothing),
        }
    }

    /// Why it is being stopped, if it is.
    pub(crate) fn why(&self) -> Option<Why> {
        match self {
            Self::Saving { why } | Self::Stopping { why } | Self::Killed { why } => Some(*why),
            Self::Starting { stop } => *stop,
            Self::Draining { why, .. } => *why,
            Self::Staging
            | Self::Waiting
            | Self::Running
            | Self::Collecting { .. }
            | Self::Ended => None,
        }
    }
}

fn end(outcome: Option<Outcome>, exit: Option<Exit>, held: Held) -> (Phase, Deed) {
    (Phase::Ended, Deed::End(End { outcome, exit, held }))
}

/// The process is over; what it has made may still have to be brought back.
fn finish(why: Option<Why>, exit: Exit, held: Held, rules: Rules) -> (Phase, Deed) {
    let outcome = rules.outcome(why, exit);
    (Phase::Ended, Deed::Finish(End { outcome, exit: Some(exit), held }))
}

fn exited(why: Option<Why>, exit: Exit, drained: bool, rules: Rules) -> (Phase, Deed) {
    if drained {
        finish(why, exit, Held::Resources, rules)
    } else {
        (Phase::Draining { why, exit }, Deed::Drain)
    }
}

fn staging(event: &Event) -> (Phase, Deed) {
    match event {
        Event::Staged => (Phase::Waiting, Deed::Nothing),
        Event::NotStarted { outcome } => end(Some(outcome.clone()), None, Held::Nothing),
        &Event::Stop(why) => end(why.outcome_unstarted(), None, Held::Nothing),
        Event::Recall => end(Some(Outcome::Recalled), None, Held::Nothing),
        Event::Turn
        | Event::Started
        | Event::Exited { .. }
        | Event::Drained
        | Event::Collected
        | Event::Saved
        | Event::Due => (Phase::Staging, Deed::Nothing),
    }
}

fn collecting(end: End, left: Left, event: &Event) -> (Phase, Deed) {
    let without = |left: Left, end: End| {
        if left.is_some() {
            return (Phase::Collecting { end, left }, Deed::Nothing);
        }
        (Phase::Ended, Deed::End(end))
    };
    match event {
        Event::Collected => without(Left { outputs: false, ..left }, end),
        Event::Saved => without(Left { saved: false, ..left }, end),
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
        | Event::Due => (Phase::Collecting { end, left }, Deed::Nothing),
    }
}

/// The phase in which the first signal of a stop has been sent, and that signal.
fn first(why: Why, rules: Rules) -> (Phase, Signal) {
    let signal = rules.first_signal(why);
    let phase = match signal {
        Signal::Checkpoint(_) => Phase::Saving { why },
        Signal::Terminate => Phase::Stopping { why },
        Signal::Kill => Phase::Killed { why },
    };
    (phase, signal)
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
        | Event::Saved
        | Event::Due => (Phase::Waiting, Deed::Nothing),
    }
}

fn starting(stop: Option<Why>, event: &Event, rules: Rules) -> (Phase, Deed) {
    match event {
        Event::Started => match stop {
            Some(why) => {
                let (phase, signal) = first(why, rules);
                (phase, Deed::BeginAndSend(signal))
            }
            None => (Phase::Running, Deed::Begin),
        },
        Event::NotStarted { outcome } => {
            let outcome = match stop {
                Some(why) => why.outcome_unstarted(),
                None => Some(outcome.clone()),
            };
            end(outcome, None, Held::Resources)
        }
        &Event::Stop(why) if !rules.defies(why) => {
            let why = stop.map_or(why, |first| first.and(why));
            (Phase::Starting { stop: Some(why) }, Deed::Nothing)
        }
        Event::Stop(_)
        | Event::Staged
        | Event::Turn
        | Event::Recall
        | Event::Exited { .. }
        | Event::Drained
        | Event::Collected
        | Event::Saved
        | Event::Due => (Phase::Starting { stop }, Deed::Nothing),
    }
}

fn running(event: &Event, rules: Rules) -> (Phase, Deed) {
    let stop = |why| {
        let (phase, signal) = first(why, rules);
        (phase, Deed::Send(signal))
    };
    match event {
        &Event::Stop(why) if !rules.defies(why) => stop(why),
        Event::Due => stop(Why::TimedOut),
        &Event::Exited { exit, drained } => exited(None, exit, drained, rules),
        Event::Stop(_)
        | Event::Staged
        | Event::Collected
        | Event::Saved
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained => (Phase::Running, Deed::Nothing),
    }
}

fn saving(why: Why, event: &Event, rules: Rules) -> (Phase, Deed) {
    match event {
        &Event::Stop(Why::Finding) => killed_for(why.and(Why::Finding)),
        // What it would save is of no use any more: it need not be waited for.
        &Event::Stop(later) if !later.wants_the_work() => {
            (Phase::Stopping { why: why.and(later) }, Deed::Send(Signal::Terminate))
        }
        &Event::Stop(later) if !rules.defies(later) => {
            (Phase::Saving { why: why.and(later) }, Deed::Hasten)
        }
        Event::Due => (Phase::Stopping { why }, Deed::Send(Signal::Terminate)),
        &Event::Exited { exit, drained } => exited(Some(why), exit, drained, rules),
        Event::Stop(_)
        | Event::Staged
        | Event::Collected
        | Event::Saved
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained => (Phase::Saving { why }, Deed::Nothing),
    }
}

/// It is to be gone at once.
fn killed_for(why: Why) -> (Phase, Deed) {
    (Phase::Killed { why }, Deed::Send(Signal::Kill))
}

fn stopping(why: Why, event: &Event, rules: Rules) -> (Phase, Deed) {
    match event {
        &Event::Stop(Why::Finding) => killed_for(why.and(Why::Finding)),
        &Event::Stop(later) if !rules.defies(later) => {
            (Phase::Stopping { why: why.and(later) }, Deed::Hasten)
        }
        Event::Due => (Phase::Killed { why }, Deed::Send(Signal::Kill)),
        &Event::Exited { exit, drained } => exited(Some(why), exit, drained, rules),
        Event::Stop(_)
        | Event::Staged
        | Event::Collected
        | Event::Saved
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained => (Phase::Stopping { why }, Deed::Nothing),
    }
}

fn killed(why: Why, event: &Event, rules: Rules) -> (Phase, Deed) {
    match event {
        &Event::Stop(later) => (Phase::Killed { why: why.and(later) }, Deed::Nothing),
        &Event::Exited { exit, drained } => exited(Some(why), exit, drained, rules),
        Event::Staged
        | Event::Collected
        | Event::Saved
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Drained
        | Event::Due => (Phase::Killed { why }, Deed::Nothing),
    }
}

fn draining(why: Option<Why>, exit: Exit, event: &Event, rules: Rules) -> (Phase, Deed) {
    match event {
        Event::Stop(Why::Stale) => (Phase::Draining { why: Some(Why::Stale), exit }, Deed::Nothing),
        Event::Drained => finish(why, exit, Held::Nothing, rules),
        Event::Due => finish(why, exit, Held::Output, rules),
        // It has ended by itself: that somebody wanted it to end changes nothing any more.
        Event::Stop(
            Why::Cancelled
            | Why::Preempted
            | Why::Drained
            | Why::TimedOut
            | Why::LeaseLost
            | Why::Leaving
            | Why::Checkpointed
            | Why::Finding,
        )
        | Event::Staged
        | Event::Collected
        | Event::Saved
        | Event::Turn
        | Event::Recall
        | Event::Started
        | Event::NotStarted { .. }
        | Event::Exited { .. } => (Phase::Draining { why, exit }, Deed::Nothing),
    }
}
