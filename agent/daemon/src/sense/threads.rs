//! Which threads of a task run at this moment.

use std::collections::BTreeMap;
use std::fs;

use repower_agent_core::Moment;
use repower_model::Span;

use super::proc;

/// The most threads whose state is read in one look; the next look goes on behind them.
const LOOKS: usize = 256;

/// The most threads of one task that are known at once.
const THREADS: usize = 16 << 10;

/// The share of its time that a thread has to run or wait for its turn to be stopped, in permille. One
/// that only wakes up now and then is left alone: it would soon wait in a system call, and some of those
/// fail with `EINTR` when their thread is stopped.
const BUSY_PERMILLE: u64 = 50;

/// The least time over which that share is taken.
const SHARE_OVER: Span = Span::from_millis(100);

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Thread {
    pub(super) process: u32,
    pub(super) thread: u32,
}

/// Goes around the threads of a task, so that each that runs gets its turn.
#[derive(Debug, Default)]
pub(super) struct Round {
    last: Thread,
    /// The shares of the threads that were looked at.
    shares: BTreeMap<Thread, Share>,
}

impl Round {
    /// The next thread that runs or could run, and does so for more than moments.
    pub(super) fn running(&mut self, processes: &[u32], now: Moment) -> Option<Thread> {
        let mut all = Vec::new();
        for process in processes {
            let threads = proc::numbers(&format!("/proc/{process}/task"), THREADS - all.len());
            all.extend(threads.into_iter().map(|thread| Thread { process: *process, thread }));
            if all.len() >= THREADS {
                break;
            }
        }
        all.sort_unstable();
        let next = all.partition_point(|thread| *thread <= self.last);
        all.rotate_left(next);
        if self.shares.len() > THREADS {
            self.shares.clear();
        }
        for thread in all.into_iter().take(LOOKS) {
            self.last = thread;
            if is_running(thread) && self.is_busy(thread, now) {
                return Some(thread);
            }
        }
        None
    }

    /// Whether the thread is busy, not just awake. Where the scheduler does not count, all are.
    fn is_busy(&mut self, thread: Thread, now: Moment) -> bool {
        let path = format!("/proc/{}/task/{}/schedstat", thread.process, thread.thread);
        let text = fs::read_to_string(path).unwrap_or_default();
        let parts =
            text.split_ascii_whitespace().take(2).filter_map(|part| part.parse::<u64>().ok());
        let Some(active_ns) = parts.reduce(u64::saturating_add) else { return true };
        self.shares.entry(thread).or_insert(Share::new(active_ns, now)).is_busy(active_ns, now)
    }
}

/// How much of its time a thread has run or waited for its turn.
#[derive(Debug, Clone, Copy)]
struct Share {
    active_ns: u64,
    at: Moment,
    is_busy: bool,
}

impl Share {
    /// Of a thread that is seen for the first time: not known to be busy.
    fn new(active_ns: u64, at: Moment) -> Self {
        Self { active_ns, at, is_busy: false }
    }

    /// As of the last span that was long enough.
    fn is_busy(&mut self, active_ns: u64, now: Moment) -> bool {
        let elapsed = now.since(self.at);
        if elapsed >= SHARE_OVER {
            let active = active_ns.saturating_sub(self.active_ns);
            let least = elapsed.as_millis().saturating_mul(1_000 * BUSY_PERMILLE);
            *self = Self { active_ns, at: now, is_busy: active >= least };
        }
        self.is_busy
    }
}

fn is_running(thread: Thread) -> bool {
    let path = format!("/proc/{}/task/{}/stat", thread.process, thread.thread);
    let bytes = fs::read(path).unwrap_or_default();
    let fields = proc::stat_fields(&bytes);
    fields.is_some_and(|fields| fields.first() == Some(&"R"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    #[test]
    fn a_thread_that_works_is_busy_however_often_it_is_looked_at() {
        let mut share = Share::new(0, at(0));

        // A tenth of the time, a look every 2 ms: one look alone sees too little of it.
        let busy = (0..=100_u64).filter(|look| share.is_busy(look * 200_000, at(look * 2))).count();

        assert_eq!(busy, 51);
    }

    #[test]
    fn a_thread_that_wakes_up_now_and_then_is_not_busy() {
        let mut share = Share::new(0, at(0));

        // Half a millisecond, four times a second.
        assert!((0..100_u64).all(|look| !share.is_busy(look * 500_000, at(look * 250))));
    }
}
