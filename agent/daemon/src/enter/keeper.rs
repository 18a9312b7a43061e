//! The end of a command, and of all that it leaves behind: double forks and new sessions included.
//!
//! Whoever loses its parent below this process becomes its child (`PR_SET_CHILD_SUBREAPER`), so nothing gets away
//! as long as it lives. What is below gets SIGTERM, as tasks do, and SIGKILL after a grace; if the task has ended,
//! SIGKILL at once.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, kill_process, pidfd_open,
    pidfd_send_signal, set_child_subreaper, wait, waitpid,
};

use super::found::has_ended;
use crate::clock;
use crate::stat::Stat;

/// How long what a command leaves behind has after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// How long it may take to be gone after SIGKILL: only what waits in the kernel takes its time.
const LAST: Duration = Duration::from_secs(5);

/// How soon children are looked for again that were not seen.
const SOON: Duration = Duration::from_millis(20);

/// The most children of which the end is waited for at once.
const WATCHED: usize = 64;

/// What a command ends with.
#[derive(Debug)]
pub(super) struct Bonds {
    /// At its end when nobody listens to the command any more, or the agent is gone.
    pub(super) leash: OwnedFd,
    /// Readable when the task has ended; `None`: the command is that of an engine.
    pub(super) task: Option<OwnedFd>,
}

/// Why a command is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// It has ended by itself.
    Ended,
    /// Nobody listens.
    Unleashed,
    /// Its task has ended.
    TaskEnded,
}

/// From now on whoever loses its parent below this process is its child.
pub(super) fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Waits for the end of a command, or for that of one of its bonds, and ends what is left then; returns its exit
/// code, 128 and the signal if one has ended it.
///
/// # Errors
///
/// What keeps the end from being seen, or if something does not end.
pub(super) fn keep(command: &Child, bonds: &Bonds) -> io::Result<i32> {
    let first = Pid::from_child(command);
    let own = pidfd_open(first, PidfdFlags::empty())?;
    let status = match (bonds.watch(&own)?, &bonds.task) {
        // What an engine has left is busy with its own end.
        (Over::Ended, None) => {
            waitpid(Some(first), WaitOptions::empty())?.map(|(_, status)| status)
        }
        (Over::Ended | Over::Unleashed, task) => end(first, GRACE, task.as_ref())?,
        (Over::TaskEnded, _) => end(first, Duration::ZERO, None)?,
    };
    Ok(status.and_then(code).unwrap_or(1))
}

impl Bonds {
    /// Waits for the first end.
    fn watch(&self, command: &OwnedFd) -> io::Result<Over> {
        loop {
            let ends = [command, &self.leash].into_iter().chain(&self.task);
            let mut set: Vec<_> = ends.map(|end| PollFd::new(end, PollFlags::IN)).collect();
            match poll(&mut set, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let is_over = |at: usize| set.get(at).is_some_and(|end| !end.revents().is_empty());
            if is_over(2) {
                return Ok(Over::TaskEnded);
            }
            if is_over(0) {
                return Ok(Over::Ended);
            }
            if is_over(1) {
                return Ok(Over::Unleashed);
            }
        }
    }
}

/// Ends whatever is below this process, and waits until it is gone; returns how its child `first` has ended.
fn end(first: Pid, grace: Duration, task: Option<&OwnedFd>) -> io::Result<Option<WaitStatus>> {
    let begun = clock::uptime();
    let (mut status, mut was_asked, mut is_late) = (None, false, grace.is_zero());
    while reap(first, &mut status) {
        let waited = clock::uptime().saturating_sub(begun);
        if waited >= grace + LAST {
            let text = format!("something does not end after SIGKILL and {LAST:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        is_late |= waited >= grace || task.is_some_and(has_ended);
        let below = below();
        let own = getpid().as_raw_nonzero().get();
        // Nobody else reaps those, so their numbers are their own until this process does.
        let children: Vec<i32> =
            below.iter().filter(|(_, parent)| *parent == own).map(|(pid, _)| *pid).collect();
        if is_late {
            // What they leave becomes this one's child, and its turn is next.
            for pid in children.iter().copied().filter_map(Pid::from_raw) {
                // One that has ended is reaped at the next look.
                let _ = kill_process(pid, Signal::KILL);
            }
        } else if !was_asked {
            was_asked = true;
            // Once, and nobody who comes later: that may be what tidies up.
            for (pid, parent) in &below {
                ask(*pid, [*parent, own]);
            }
        }
        let limit = if is_late { grace + LAST } else { grace };
        let task = task.filter(|_| !is_late);
        wait_for_an_end(&children, task, limit.saturating_sub(waited));
    }
    Ok(status)
}

/// Reaps who has ended; returns whether there are others.
fn reap(first: Pid, status: &mut Option<WaitStatus>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == first => *status = Some(ended),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Asks a process to end, if it is still the child of one of these.
fn ask(pid: i32, parents: [i32; 2]) {
    let Some(number) = Pid::from_raw(pid) else { return };
    // Opened before its parent is asked for: the signal cannot hit a later process of this number.
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return };
    if Stat::of(pid).is_some_and(|stat| parents.contains(&stat.parent)) {
        // One that has ended need not be asked.
        let _ = pidfd_send_signal(&process, Signal::TERM);
    }
}

/// Every process below this one, with its parent.
fn below() -> Vec<(i32, i32)> {
    let all = Stat::all();
    let mut found = BTreeSet::from([getpid().as_raw_nonzero().get()]);
    // A parent may have a higher number than its child: until nothing is added.
    loop {
        let before = found.len();
        let belongs = all.iter().filter(|(_, stat)| found.contains(&stat.parent));
        let more: Vec<i32> = belongs.map(|(pid, _)| *pid).collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    let below = all.into_iter().filter(|(_, stat)| found.contains(&stat.parent));
    below.map(|(pid, stat)| (pid, stat.parent)).collect()
}

/// Waits until one of these has ended, at most so long.
fn wait_for_an_end(children: &[i32], task: Option<&OwnedFd>, limit: Duration) {
    let open = |pid: &i32| pidfd_open(Pid::from_raw(*pid)?, PidfdFlags::empty()).ok();
    let processes: Vec<OwnedFd> = children.iter().take(WATCHED).filter_map(open).collect();
    let ends = processes.iter().chain(task);
    let mut set: Vec<_> = ends.map(|end| PollFd::new(end, PollFlags::IN)).collect();
    // Some have come since they were looked for.
    let limit = if processes.is_empty() { limit.min(SOON) } else { limit };
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // Interrupted, it looks once more than it must.
    let _ = poll(&mut set, Some(&limit));
}

/// The exit code of what has ended so, 128 and the signal if one has ended it.
pub(super) fn code(status: WaitStatus) -> Option<i32> {
    status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal))
}
