//! Processes that an earlier executor of this data folder has left when it was killed.

use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::environment::MARK;

/// How often the processes are gone through; one that forks all the time could outrun a single pass.
const PASSES: usize = 10;

/// Kills every process whose environment carries a mark that begins with `mark`: that of a data folder,
/// or that of one of its executors; returns how many.
pub(crate) fn kill_leftovers(mark: &str) -> io::Result<usize> {
    let mark = format!("{MARK}={mark}-");
    let mut killed = 0;
    for _ in 0..PASSES {
        match kill_marked(mark.as_bytes())? {
            0 => return Ok(killed),
            count => killed += count,
        }
    }
    Ok(killed)
}

fn kill_marked(mark: &[u8]) -> io::Result<usize> {
    let mut killed = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        // Opened before its environment is read: the signal cannot hit a later process with this pid.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ", pid = pid.as_raw_nonzero()))
        else {
            continue;
        };
        let is_ours =
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark));
        if is_ours && pidfd_send_signal(&process, Signal::KILL).is_ok() {
            wait_for_end(&process);
            killed += 1;
        }
    }
    Ok(killed)
}

/// Waits, for at most a second, until a process that was killed has ended.
pub(crate) fn wait_for_end(process: &std::os::fd::OwnedFd) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let mut set = [PollFd::new(process, PollFlags::IN)];
    if let Err(errno) = poll(&mut set, Some(&second)) {
        tracing::warn!(error = %io::Error::from(errno), "cannot wait for the end of a leftover");
    }
}
