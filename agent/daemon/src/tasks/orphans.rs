//! What tasks leave behind: processes that have left their task's group or session.
//!
//! The executor is the subreaper of all that its tasks start, so whoever loses its parent becomes its
//! child: of its first thread, to be exact, while tasks are children of the threads that launched
//! them. So this runs on the first thread, reaps what ends, and kills what belongs to a task that is
//! over, as the mark in its environment says. One that has removed the mark is killed when no task
//! runs that could have started it. Control groups and namespaces do this better where they are used.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{
    Pid, PidfdFlags, RawPid, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, wait,
};

use super::Tasks;
use crate::clock;
use crate::environment::MARK;
use crate::stat::Stat;

/// Waits for children of the calling thread only (`__WNOTHREAD` of wait(2)).
const OF_THIS_THREAD: WaitOptions = WaitOptions::from_bits_retain(0x2000_0000);

/// How often orphans are looked for while tasks run and nothing happens.
const SELDOM: Duration = Duration::from_secs(5);

/// The shortest time from one look to the next.
const PAUSE: Duration = Duration::from_millis(10);

/// A look takes at most one part in so many of the time.
const PART: u32 = 20;

/// Looks after orphans, and tells the first thread when all is over.
#[derive(Debug)]
pub(crate) struct Orphans {
    wake: OwnedFd,
    /// How many tasks have ended.
    ends: AtomicU64,
    /// Whether the first thread waits to be woken.
    asleep: AtomicBool,
    over: AtomicBool,
}

/// A process that has lost its parent.
#[derive(Debug)]
struct Orphan {
    process: OwnedFd,
    owner: Owner,
}

/// To which task a process belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// To that of this serial.
    Task(u64),
    /// To one that was launched before this, as uptime.
    Somebody(Duration),
}

impl Orphans {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            ends: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// A task has ended: it may have left something.
    pub(super) fn look(&self) {
        self.ends.fetch_add(1, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The executor ends.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Err(errno) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            // The counter is full only if nobody has looked for 2^64 wake-ups.
            tracing::error!(error = %io::Error::from(errno), "cannot wake the first thread");
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Waits for what `set` waits for, or until it is woken.
    fn wait<'a>(&'a self, others: impl Iterator<Item = &'a OwnedFd>, limit: Option<Duration>) {
        let others = others.map(|fd| PollFd::new(fd, PollFlags::IN));
        let mut set: Vec<PollFd<'_>> =
            std::iter::once(PollFd::new(&self.wake, PollFlags::IN)).chain(others).collect();
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        // Interrupted, it looks once more than it must.
        let _ = poll(&mut set, limit.as_ref());
        let _ = rustix::io::read(self.wake.as_fd(), &mut [0; 8]);
    }
}

impl Tasks {
    /// Looks after orphans until the executor ends. Only for the first thread of the process.
    pub(crate) fn keep_orphans(&self) {
        let mut known = BTreeMap::new();
        let mut seen = 0;
        while !self.orphans.is_over() {
            self.orphans.asleep.store(true, Ordering::SeqCst);
            let ends = self.orphans.ends.load(Ordering::SeqCst);
            if ends == seen {
                let limit = self.has_children().then_some(SELDOM);
                let processes = known.values().map(|orphan: &Orphan| &orphan.process);
                self.orphans.wait(processes, limit);
            }
            self.orphans.asleep.store(false, Ordering::SeqCst);
            seen = self.orphans.ends.load(Ordering::SeqCst);
            if self.door.is_gone() {
                self.orphans.end();
            }
            let begun = clock::uptime();
            self.look_after(&mut known);
            let took = clock::uptime().saturating_sub(begun);
            self.orphans.wait(std::iter::empty(), Some(PAUSE.max(took * PART)));
        }
    }

    /// Reaps who has ended, and kills whose task has.
    fn look_after(&self, known: &mut BTreeMap<RawPid, Orphan>) {
        loop {
            match wait(WaitOptions::NOHANG | OF_THIS_THREAD) {
                Ok(Some((pid, _))) => drop(known.remove(&pid.as_raw_nonzero().get())),
                Ok(None) => break,
                // There is no child at all.
                Err(_) => return known.clear(),
            }
        }
        for pid in children() {
            if !known.contains_key(&pid)
                && let Some(orphan) = Orphan::of(pid, self.jobs.mark().as_deref())
            {
                known.insert(pid, orphan);
            }
        }
        let own = self.own_processes();
        known.retain(|pid, _| !own.pids.contains(pid));
        for (pid, orphan) in known {
            if own.may_own(orphan.owner) {
                continue;
            }
            tracing::debug!(pid, "killing what an ended task has left");
            // One that has ended is reaped at the next look.
            let _ = pidfd_send_signal(&orphan.process, Signal::KILL);
        }
    }

    fn has_children(&self) -> bool {
        !self.lock().children.is_empty()
    }

    fn own_processes(&self) -> Own {
        let state = self.lock();
        let running = state.children.iter().filter(|(_, child)| child.pid.is_some());
        Own {
            pids: running.clone().filter_map(|(_, child)| child.pid).map(raw).collect(),
            serials: running
                .clone()
                .map(|(serial, _)| *serial)
                .chain(state.launching())
                .chain(state.closing.keys().copied())
                .collect(),
            since: running
                .map(|(_, child)| child.contained.as_ref().map_or(child.since, |one| one.since))
                .chain(state.closing.values().copied())
                .min(),
            launching: state.launching().next().is_some(),
        }
    }
}

/// The tasks that run.
#[derive(Debug)]
struct Own {
    pids: Vec<RawPid>,
    serials: Vec<u64>,
    /// When the first of them was launched.
    since: Option<Duration>,
    /// Whether one is being launched: it may be a process of which nobody has told yet.
    launching: bool,
}

impl Own {
    /// Whether a task that runs may have started a process.
    fn may_own(&self, owner: Owner) -> bool {
        match owner {
            Owner::Task(serial) => self.serials.contains(&serial),
            Owner::Somebody(at) => self.launching || self.since.is_some_and(|since| since <= at),
        }
    }
}

impl Orphan {
    /// `None`: it is gone already. `mark` is that of the tasks of this executor.
    fn of(pid: RawPid, mark: Option<&str>) -> Option<Self> {
        // Opened before anything is read: the signal cannot hit a later process with this pid.
        let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let serial = mark.and_then(|mark| serial(&environment, mark));
        let owner = match serial {
            Some(serial) => Owner::Task(serial),
            None => Owner::Somebody(started(Stat::of(pid)?)),
        };
        Some(Self { process, owner })
    }
}

/// The serial of the task that an environment is of.
fn serial(environment: &[u8], mark: &str) -> Option<u64> {
    let mark = format!("{MARK}={mark}-");
    let own =
        environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(mark.as_bytes()));
    std::str::from_utf8(own?).ok()?.parse().ok()
}

fn raw(pid: Pid) -> RawPid {
    pid.as_raw_nonzero().get()
}

/// When a process was started, as uptime; up to a tick later than it was.
fn started(stat: Stat) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let ticks = stat.start_ticks.saturating_add(1);
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / per_second))
}

/// The children of the first thread; where the kernel does not list them, of this process.
fn children() -> Vec<RawPid> {
    let own = raw(getpid());
    let listed = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    if let Ok(listed) = listed {
        return listed.split_whitespace().filter_map(|one| one.parse().ok()).collect();
    }
    let own_children = Stat::all().into_iter().filter(|(_, stat)| stat.parent == own);
    own_children.map(|(pid, _)| pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_names_its_task_by_its_mark() {
        let environment = b"PATH=/bin\0REPOWER_AGENT_INSTANCE=ab-cd-17\0X=1\0";

        assert_eq!(serial(environment, "ab-cd"), Some(17));
        assert_eq!(serial(environment, "ab-ce"), None);
        assert_eq!(serial(b"", "ab-cd"), None);
    }

    #[test]
    fn a_process_was_started_in_the_tick_that_the_kernel_says() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = Stat { parent: 1, start_ticks: 250 };

        assert_eq!(started(stat), Duration::from_nanos(251 * (1_000_000_000 / ticks)));
    }

    #[test]
    fn what_has_no_mark_may_be_of_any_task_that_ran_when_it_started() {
        let second = Duration::from_secs;
        let own = |since, launching| Own { pids: Vec::new(), serials: vec![3], since, launching };

        assert!(own(None, false).may_own(Owner::Task(3)));
        assert!(!own(Some(second(1)), true).may_own(Owner::Task(4)));
        assert!(own(Some(second(5)), false).may_own(Owner::Somebody(second(6))));
        assert!(!own(Some(second(7)), false).may_own(Owner::Somebody(second(6))));
        assert!(own(None, true).may_own(Owner::Somebody(second(6))));
        assert!(!own(None, false).may_own(Owner::Somebody(second(6))));
    }
}
