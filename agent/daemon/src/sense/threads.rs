//! Which threads of a task run at this moment.

use std::fs;

use super::proc;

/// The most threads whose state is read in one look; the next look goes on behind them.
const LOOKS: usize = 256;

/// The most threads of one task that are known at once.
const THREADS: usize = 16 << 10;

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
}

impl Round {
    /// The next thread that runs or could run.
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
        for thread in all.into_iter().take(LOOKS) {
            self.last = thread;
            if is_running(thread) {
                return Some(thread);
            }
        }
        None
    }
}

fn is_running(thread: Thread) -> bool {
    let path = format!("/proc/{}/task/{}/stat", thread.process, thread.thread);
    let bytes = fs::read(path).unwrap_or_default();
    let fields = proc::stat_fields(&bytes);
    fields.is_some_and(|fields| fields.first() == Some(&"R"))
}
