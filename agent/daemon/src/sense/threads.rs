//! Which threads of a task run at this moment.

use std::collections::BTreeMap;
use std::fs;

use super::proc;

/// The most threads whose state is read in one look; the next look goes on behind them.
const LOOKS: usize = 256;

/// The most threads of one task that are known at once.
const THREADS: usize = 16 << 10;

/// The processor time in nanoseconds that a thread has to use between two looks to be stopped. One that
/// only wakes up now and then is left alone: it would soon wait in a system call, and some of those fail
/// with `EINTR` when their thread is stopped.
const BUSY: u64 = 1_000_000;

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
    /// Processor time of the threads that were looked at, at their last look.
    used: BTreeMap<Thread, u64>,
}

impl Round {
    /// The next thread that runs or could run, and does so for more than moments.
    pub(super) fn running(&mut self, processes: &[u32]) -> Option<Thread> {
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
        if self.used.len() > THREADS {
            self.used.clear();
        }
        for thread in all.into_iter().take(LOOKS) {
            self.last = thread;
            if is_running(thread) && self.is_busy(thread) {
                return Some(thread);
            }
        }
        None
    }

    /// Whether the thread has used processor time since it was last seen running. Where the scheduler
    /// does not count, all are.
    fn is_busy(&mut self, thread: Thread) -> bool {
        let path = format!("/proc/{}/task/{}/schedstat", thread.process, thread.thread);
        let text = fs::read_to_string(path).unwrap_or_default();
        let used = text.split_ascii_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        let Some(used) = used else { return true };
        let before = self.used.insert(thread, used).unwrap_or(0);
        used.saturating_sub(before) >= BUSY
    }
}

fn is_running(thread: Thread) -> bool {
    let path = format!("/proc/{}/task/{}/stat", thread.process, thread.thread);
    let bytes = fs::read(path).unwrap_or_default();
    let fields = proc::stat_fields(&bytes);
    fields.is_some_and(|fields| fields.first() == Some(&"R"))
}
