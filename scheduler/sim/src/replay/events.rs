//! What is going to happen in the room, but for arrivals: those are in the trace, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use repower_model::{JobId, Span};

/// What happens, in the order in which it does at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// An attempt ends.
    End { job: JobId, number: u32, by: End },
    /// A node fails, or comes back.
    Turn { node: u32 },
}

/// What ends an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Its work is done.
    Done,
    /// It was told to make room.
    Preempted,
    /// It was taken back before it started.
    Recalled,
    /// It was cancelled.
    Cancelled,
}

/// Events by time; those of one instant as [`Event`] orders them.
#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Reverse<(Span, Event)>>,
}

impl Events {
    pub(super) fn push(&mut self, at: Span, event: Event) {
        self.heap.push(Reverse((at, event)));
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Span> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out what happens next, if it is at this instant and a completion.
    pub(super) fn completion(&mut self, at: Span) -> Option<(JobId, u32, End)> {
        let Reverse((time, event)) = *self.heap.peek()?;
        match event {
            Event::End { job, number, by } if time <= at => {
                self.heap.pop();
                Some((job, number, by))
            }
            Event::End { .. } | Event::Turn { .. } => None,
        }
    }

    /// Takes out what happens next, if it is at this instant and a node's.
    pub(super) fn signal(&mut self, at: Span) -> Option<u32> {
        let Reverse((time, event)) = *self.heap.peek()?;
        match event {
            Event::Turn { node } if time <= at => {
                self.heap.pop();
                Some(node)
            }
            Event::Turn { .. } | Event::End { .. } => None,
        }
    }
}
