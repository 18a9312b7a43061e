//! The file in which a task says how far it is, and the looks that are taken at it.
//!
//! The task makes it, in its own folder, so it is read as what anybody may have made: never followed,
//! never waited for, and never more than a bit of it at a time. Nothing here can hold up the task.

mod book;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_agent_core::{Input, Moment};
use repower_model::{RankId, Span};
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::{self, LinkClaims, ProcessProgress};

use super::Tasks;
use super::state::State;
use crate::clock;

pub(crate) use book::FILE;
pub(super) use book::{Book, VARIABLE};

/// The time between two looks at the same file.
const EVERY: Span = Span::from_secs(2);
/// And so much more for each task that runs.
const MORE_MS: u64 = 2;
/// The most processes of which is told at once.
const MOST: usize = 10_000;

/// What a process says, for who holds it.
#[derive(Debug)]
pub(super) struct Said {
    book: Arc<Mutex<Book>>,
    /// How often it has said that it got further, at the last look; `None`: it says nothing.
    pub(super) changes: Option<u64>,
}

impl Said {
    pub(super) fn new(book: Book) -> Self {
        Self { book: Arc::new(Mutex::new(book)), changes: None }
    }
}

impl State {
    /// Something runs: its file is looked at in a while.
    pub(super) fn expect_claims(&mut self) {
        self.look_at.get_or_insert_with(|| clock::now().steady + EVERY);
    }

    /// Nobody who asks knows what was said: the files are looked at now.
    pub(super) fn hasten_claims(&mut self, now: Moment) {
        self.look_at = (!self.children.is_empty()).then_some(now);
    }

    /// The books to look into, if it is time; the next time comes in a while.
    fn due_books(&mut self, now: Moment) -> Vec<(u64, RankId, Arc<Mutex<Book>>)> {
        if self.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let running = self.children.iter().filter(|(_, child)| child.pid.is_some());
        let books = running.map(|(serial, one)| (*serial, one.attempt, Arc::clone(&one.said.book)));
        let books: Vec<_> = books.collect();
        let more = Span::from_millis(MORE_MS.saturating_mul(books.len() as u64));
        self.look_at = (!books.is_empty()).then_some(now + EVERY + more);
        books
    }
}

impl Tasks {
    /// Looks at what tasks say, if it is time, and tells the agent what is new.
    pub(super) fn look_at_claims(&self) {
        let now = clock::now();
        let books = self.lock().due_books(now.steady);
        if books.is_empty() {
            return;
        }
        // Never under the lock of all: it is the disk that answers.
        for (serial, _, book) in &books {
            let changes = {
                let mut book = lock(book);
                book.look(now.wall, false);
                book.changes()
            };
            if changes.is_some()
                && let Some(child) = self.lock().children.get_mut(serial)
            {
                child.said.changes = changes;
            }
        }
        let mut outgoing = self.relay.outgoing();
        let Some(link) = outgoing.link_for_claims() else {
            return;
        };
        let mut processes = Vec::new();
        for (_, attempt, book) in &books {
            if let Some(progress) = lock(book).news(link) {
                let attempt = Some((*attempt).into());
                processes.push(ProcessProgress { attempt, progress: Some(progress) });
            }
            if processes.len() >= MOST {
                break;
            }
        }
        if !processes.is_empty() {
            let claims = Some(v1::Claims { processes });
            outgoing.tell(Up::Claims(LinkClaims { link: link.number, claims }));
        }
    }

    /// The last that a process has said which has just ended, if it has said anything.
    pub(super) fn last_claim(&self, serial: u64) -> Option<Input<'static>> {
        let (attempt, book) = {
            let state = self.lock();
            let child = state.children.get(&serial)?;
            (child.attempt, Arc::clone(&child.said.book))
        };
        let mut book = lock(&book);
        book.look(clock::now().wall, true);
        let progress = Box::new(book.progress()?.clone());
        Some(Input::Claimed { attempt, progress })
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    // A thread that panicked has broken nothing that another could not go on with.
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
