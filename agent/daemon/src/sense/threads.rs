//! Which threads of a task run at this moment.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use repower_agent_core::Moment;
use repower_model::Span;

use super::proc;
use crate::clock;

mod load;

use load::Load;

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

/// How old a thread is at the least and at the most for its whole life to tell its share at first sight.
const LIFE: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

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
    /// What the task uses, beside the threads that are known to be busy.
    load: Load,
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
        self.load.look(processes, &mut self.shares, now);
        let (before, mut ran, mut is_awake) = (self.before.take(), 0_u64, false);
        for thread in all.into_iter().take(LOOKS) {
            self.last = thread;
            let Some(stat) = Stat::of(thread) else { continue };
            ran = ran.saturating_add(stat.ticks);
            is_awake |= stat.is_running;
            if stat.is_running && self.is_busy(thread, stat, now) {
                return Found::Busy(thread);
            }
        }
        self.before = there.map(|threads| (threads, ran));
        let is_asleep = !is_awake && before.is_some() && before == self.before;
        if is_asleep { Found::Asleep } else { Found::Idle }
    }

    /// Whether the thread is busy, not just awake, or the task is and its busy threads do not tell why: then others may
    /// take turns, or be too short-lived to be known. Where the scheduler does not count, all are.
    fn is_busy(&mut self, thread: Thread, stat: Stat, now: Moment) -> bool {
        let Some(spent) = Spent::of(thread) else { return true };
        let new = || Share::new(spent, stat.age(), now);
        let is_busy = self.shares.entry(thread).or_insert_with(new).is_busy(spent, now);
        is_busy || self.load.is_unexplained()
    }
}

/// What a thread has spent, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Spent {
    /// Running.
    ran: u64,
    /// Running, or waiting for its turn.
    active: u64,
}

impl Spent {
    /// `None`: it is gone, or the scheduler does not count.
    fn of(thread: Thread) -> Option<Self> {
        let path = format!("/proc/{}/task/{}/schedstat", thread.process, thread.thread);
        let text = fs::read_to_string(path).ok()?;
        let mut parts = text.split_ascii_whitespace().map(str::parse::<u64>);
        let (ran, waited) = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some(Self { ran, active: ran.saturating_add(waited) })
    }
}

/// How much of its time a thread has run or waited for its turn.
#[derive(Debug, Clone, Copy)]
struct Share {
    active: u64,
    at: Moment,
    is_busy: bool,
    /// What it had run when that was last set against the task's use.
    counted: u64,
}

impl Share {
    /// Of a thread that is seen for the first time: known to be busy only if it is young and was so all its life.
    fn new(spent: Spent, age: Option<Duration>, at: Moment) -> Self {
        let known = age.filter(|age| (LIFE[0]..=LIFE[1]).contains(age));
        let is_busy = known.is_some_and(|age| is_share(spent.active, age));
        Self { active: spent.active, at, is_busy, counted: spent.ran }
    }

    /// As of the last span that was long enough.
    fn is_busy(&mut self, spent: Spent, now: Moment) -> bool {
        let elapsed = now.since(self.at);
        if elapsed >= SHARE_OVER {
            let active = spent.active.saturating_sub(self.active);
            let is_busy = is_share(active, Duration::from_millis(elapsed.as_millis()));
            // What it ran before it was known to be busy explains nothing of what the task uses now.
            let counted = if self.is_busy { self.counted } else { spent.ran };
            *self = Self { active: spent.active, at: now, is_busy, counted };
        }
        self.is_busy
    }
}

/// Whether so many nanoseconds are enough of a span.
fn is_share(active: u64, span: Duration) -> bool {
    u128::from(active) * 1000 >= span.as_nanos() * u128::from(BUSY_PERMILLE)
}

/// What the kernel says of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    is_running: bool,
    /// Clock ticks in user and system mode.
    ticks: u64,
    /// Clock ticks from the start of the host to its own.
    started: u64,
}

impl Stat {
    /// `None`: it is gone.
    fn of(thread: Thread) -> Option<Self> {
        let path = format!("/proc/{}/task/{}/stat", thread.process, thread.thread);
        let bytes = fs::read(path).ok()?;
        let fields = proc::stat_fields(&bytes)?;
        // Fields 14 and 15 of the file, of which the third is the first here.
        let ticks = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        // Field 22.
        let started = fields.get(19)?.parse().ok()?;
        Some(Self { is_running: fields.first() == Some(&"R"), ticks: ticks.sum(), started })
    }

    /// How long ago it was started.
    fn age(&self) -> Option<Duration> {
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let started = Duration::from_millis(self.started.saturating_mul(1000) / per_second);
        clock::uptime().checked_sub(started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn spent(ns: u64) -> Spent {
        Spent { ran: ns, active: ns }
    }

    #[test]
    fn a_thread_that_works_is_busy_however_often_it_is_looked_at() {
        let mut share = Share::new(Spent::default(), None, at(0));

        // A tenth of the time, a look every 2 ms: one look alone sees too little of it.
        let look = |look: &u64| share.is_busy(spent(look * 200_000), at(look * 2));
        let busy = (0..=100_u64).filter(look).count();

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
    fn a_process_that_works_is_never_asleep_though_no_tick_has_passed() {
        let mut child = std::process::Command::new("/bin/sh");
        let mut child = child.args(["-c", "while :; do :; done"]).spawn().unwrap();
        let (mut round, process) = (Round::default(), [child.id()]);

        let asleep = (0..1000).filter(|look| round.look(&process, at(*look)) == Found::Asleep);
        let asleep = asleep.count();
        child.kill().unwrap();
        child.wait().unwrap();

        assert_eq!(asleep, 0);
    }

    #[test]
    fn a_thread_that_wakes_up_now_and_then_is_not_busy() {
        let mut share = Share::new(Spent::default(), None, at(0));

        // Half a millisecond, four times a second.
        let look = |look: u64| share.is_busy(spent(look * 500_000), at(look * 250));
        assert!(!(0..100_u64).any(look));
    }

    #[test]
    fn a_young_thread_that_has_worked_all_its_life_is_busy_at_first_sight_and_an_old_one_is_not() {
        let share = |active_ms: u64, age_ms| {
            let age = Some(Duration::from_millis(age_ms));
            Share::new(spent(active_ms * 1_000_000), age, at(0)).is_busy
        };

        assert!(share(40, 50));
        assert!(!share(1, 50), "it waits");
        assert!(!share(9, 10), "too young: ticks are no shorter");
        assert!(!share(60_000, 600_000), "it may have worked long ago");
    }
}
