//! The queue of placed attempts, and what of the node is free.

use std::collections::VecDeque;

use repower_model::{RankId, Resources};

/// What of the node is free, and who waits for it, in the order of their orders.
#[derive(Debug)]
pub(crate) struct Slots {
    capacity: Resources,
    /// What those who run have; more than there is after the capacity has become smaller.
    used: Resources,
    queue: VecDeque<RankId>,
    /// Entries of the queue that no longer wait.
    idle: usize,
}

impl Slots {
    pub(crate) fn new(capacity: Resources) -> Self {
        Self { capacity, used: Resources::default(), queue: VecDeque::new(), idle: 0 }
    }

    /// From now on an empty node has `capacity`; who runs keeps what it has.
    pub(crate) fn resize(&mut self, capacity: Resources) {
        self.capacity = capacity;
    }

    /// What an empty node has.
    pub(crate) fn capacity(&self) -> &Resources {
        &self.capacity
    }

    pub(crate) fn push(&mut self, attempt: RankId) {
        self.queue.push_back(attempt);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() - self.idle
    }

    /// Who is next.
    pub(crate) fn front(&self) -> Option<RankId> {
        self.queue.front().copied()
    }

    /// Takes out who is next.
    pub(crate) fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Takes out who is next and no longer waits.
    pub(crate) fn skip(&mut self) {
        self.queue.pop_front();
        self.idle = self.idle.saturating_sub(1);
    }

    /// Somebody in the queue no longer waits; `waits` tells who does.
    pub(crate) fn left(&mut self, waits: impl Fn(RankId) -> bool) {
        self.idle += 1;
        if self.idle > 64 && self.idle * 2 > self.queue.len() {
            self.queue.retain(|attempt| waits(*attempt));
            self.idle = 0;
        }
    }

    /// Takes `asked` if it is free.
    pub(crate) fn take(&mut self, asked: &Resources) -> bool {
        let used = self.used.plus(asked);
        let fits = self.capacity.holds(&used);
        if fits {
            self.used = used;
        }
        fits
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, asked: &Resources) {
        self.used = self.used.less(asked);
    }
}
