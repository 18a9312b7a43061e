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

/// What the threads of a task do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// This one runs or could run, and does so for more than moments.
    Busy(Thread),
    /// None does at this moment.
    Idle,
    /// None does, and none has since the look before, by the clock ticks that the kernel counts.
    Asleep,
}

/// Goes around the threads of a task, so that each that runs gets its turn.
#[derive(Debug, Default)]
pub(super) struct Round {
    last: Thread,
    /// The shares of the threads that were looked at.
    shares: BTreeMap<Thread, Share>,
    /// Which threads there were at the look before and the ticks that they had run, if all were looked at.
    before: Option<(Vec<Thread>, u64)>,
}

impl Round {
    /// The next thread that runs or could run, and does so for more than moments.
    pub(super) fn look(&mut self, processes: &[u32], now: Moment) -> Found {
        let mut all = Vec::new();
        for process in processes {
            let threads = proc::numbers(&format!("/proc/{process}/task"), THREADS - all.len());
            all.extend(threads.into_iter().map(|thread| Thread { process: *process, thread }));
            if all.len() >= THREADS {
                break;
            }
        }
        all.sort_unstable();
        let there = (all.len() <= LOOKS).then(|| all.clone());
        let next = all.partition_point(|thread| *thread <= self.last);
        all.rotate_left(next);
        if self.shares.len() > THREADS {
            self.shares.clear();
        }
        let (before, mut ran) = (self.before.take(), 0_u64);
        for thread in all.into_iter().take(LOOKS) {
            self.last = thread;
            let Some(stat) = Stat::of(thread) else { continue };
            ran = ran.saturating_add(stat.ticks);
            if stat.is_running && self.is_busy(thread, now) {
                return Found::Busy(thread);
            }
        }
        self.before = there.map(|threads| (threads, ran));
        let is_asleep = before.is_some() && before == self.before;
        if is_asleep { Found::Asleep } else { Found::Idle }
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

/// What the kernel says of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    is_running: bool,
    /// Clock ticks in user and system mode.
    ticks: u64,
}

impl Stat {
    /// `None`: it is gone.
    fn of(thread: Thread) -> Option<Self> {
        let path = format!("/proc/{}/task/{}/stat", thread.process, thread.thread);
        let bytes = fs::read(path).ok()?;
        let fields = proc::stat_fields(&bytes)?;
        // Fields 14 and 15 of the file, of which the third is the first here.
        let ticks = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        Some(Self { is_running: fields.first() == Some(&"R"), ticks: ticks.sum() })
    }
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
    fn a_process_that_waits_is_asleep_at_the_second_look() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let (mut round, process) = (Round::default(), [child.id()]);

        // It runs for a moment before it waits.
        let mut found = (0..1000).map(|look| round.look(&process, at(look)));
        let first = found.next().unwrap();
        let is_asleep = found.any(|one| one == Found::Asleep);
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(first != Found::Asleep && is_asleep);
        assert_eq!(round.look(&process, at(1000)), Found::Idle, "its threads are others now: none");
    }

    #[test]
    fn a_thread_that_wakes_up_now_and_then_is_not_busy() {
        let mut share = Share::new(0, at(0));

        // Half a millisecond, four times a second.
        assert!((0..100_u64).all(|look| !share.is_busy(look * 500_000, at(look * 250))));
    }
}
