//! Connections: whose they are, once somebody has said so, and how many of them may be anybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use repower_artefacts::{Permit, Pool};
use tokio::sync::Notify;

use crate::calls::By;
use crate::problem::Problem;

/// One caller may have a quarter of all connections.
const PART: usize = 4;

/// All connections. Who is at the other end of one is a stranger until a call has shown who it is. When there are too many
/// strangers the oldest of them has to go, so that they keep nobody out.
#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    known: Pool<By>,
    state: Mutex<State>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The numbers of all that last.
    open: BTreeSet<u64>,
    /// Those of which it is known whose they are.
    known: BTreeSet<u64>,
    /// The others, but for those that have been told to go.
    strangers: BTreeMap<u64, Arc<Line>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    number: u64,
    /// Whose it is.
    owner: OnceLock<Permit<By>>,
    leave: Notify,
}

/// A connection for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Open {
    lines: Arc<Lines>,
    line: Arc<Line>,
}

impl Lines {
    /// None yet; there will be at most so many.
    pub(crate) fn new(most: usize) -> Self {
        let known = Pool::new(most, part(most));
        Self { most, known, state: Mutex::default(), next: AtomicU64::new(1) }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// There is one more, of a stranger.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let line = Arc::new(Line { number, owner: OnceLock::new(), leave: Notify::new() });
        let mut state = self.state();
        state.strangers.insert(number, Arc::clone(&line));
        state.open.insert(number);
        while state.strangers.len() > strangers(self.most, state.known.len()) {
            let Some((_, oldest)) = state.strangers.pop_first() else { break };
            oldest.leave.notify_one();
        }
        drop(state);
        Open { lines: Arc::clone(self), line }
    }

    /// Somebody has said who they are.
    ///
    /// # Errors
    ///
    /// If they have so many connections that this one cannot be theirs.
    pub(crate) fn introduce(&self, line: &Line, by: &By) -> Result<(), Problem> {
        if line.owner.get().is_some() {
            return Ok(());
        }
        let place = self.known.try_enter(by);
        let place = place.ok_or_else(|| Problem::too_many_connections(part(self.most)))?;
        let mut state = self.state();
        // Of two calls at one time on it one is the first, and a call may come to be answered when its connection is
        // gone: the place is given back then.
        if state.open.contains(&line.number) && line.owner.set(place).is_ok() {
            state.known.insert(line.number);
            state.strangers.remove(&line.number);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn part(most: usize) -> usize {
    most.div_ceil(PART)
}

/// How many strangers there may be beside those who are known: as many as leave a quarter of all connections free, and when
/// that is little a quarter, as after a restart all agents come at once; but never so many that nobody else gets in.
fn strangers(most: usize, known: usize) -> usize {
    let part = part(most);
    let roomy = most.saturating_sub(part + known).max(part);
    roomy.min(most.saturating_sub(known + 1)).max(1)
}

impl Line {
    /// Its number, which no other has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Open {
    /// The connection.
    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    /// Returns when it has to go.
    pub(crate) async fn told_to_leave(&self) {
        loop {
            self.line.leave.notified().await;
            // Somebody may have said who they are meanwhile.
            if self.line.owner.get().is_none() {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.lines.state();
        state.open.remove(&self.line.number);
        state.known.remove(&self.line.number);
        state.strangers.remove(&self.line.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn is_told(open: &Open) -> bool {
        let mut told = pin!(open.told_to_leave());
        poll_fn(|cx| Poll::Ready(told.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn the_oldest_stranger_goes_when_there_are_too_many_and_nobody_who_is_known() {
        let lines = Arc::new(Lines::new(8));
        let known = lines.open();
        lines.introduce(&known.line(), &By::Person("mia".into())).unwrap();
        let mut others: Vec<Open> = (0..5).map(|_| lines.open()).collect();
        assert!(!is_told(&others[0]).await, "there is room");

        others.push(lines.open());

        let told = [is_told(&known).await, is_told(&others[0]).await, is_told(&others[1]).await];
        assert_eq!(told, [false, true, false]);
        assert!(!is_told(&others[5]).await);
        drop(others);
        drop(known);
        let left = lines.state();
        assert_eq!((left.known.len(), left.strangers.len()), (0, 0));
    }

    #[test]
    fn there_is_always_room_for_one_more_and_for_all_who_come_back_at_once() {
        let counts = [0, 10_000, 14_000, 19_000, 19_999, 20_000];

        let allowed = counts.map(|known| strangers(20_000, known));

        assert_eq!(allowed, [15_000, 5_000, 5_000, 999, 1, 1]);
        assert_eq!(strangers(1, 0), 1);
    }

    #[test]
    fn one_caller_has_a_part_of_all_connections_at_most() {
        let lines = Arc::new(Lines::new(8));
        let (mia, noa) = (By::Person("mia".into()), By::Person("noa".into()));
        let open = [lines.open(), lines.open(), lines.open()];
        lines.introduce(&open[0].line(), &mia).unwrap();
        lines.introduce(&open[0].line(), &mia).unwrap();
        lines.introduce(&open[1].line(), &mia).unwrap();

        let refused = lines.introduce(&open[2].line(), &mia).unwrap_err();

        assert_eq!(refused.code, "connections.too-many");
        assert_eq!(lines.introduce(&open[2].line(), &noa), Ok(()));
        drop(open);
        assert!(lines.known.try_enter(&mia).is_some(), "they are given back with the connection");
    }
}
