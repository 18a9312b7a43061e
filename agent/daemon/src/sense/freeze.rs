//! Makes all processes of a task stand still, and lets them go on.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Members;

/// How often the processes are gone through; one that forks all the time could outrun a single pass.
const PASSES: usize = 20;

/// A task that stands still until it is released.
#[derive(Debug)]
#[must_use = "a task that nobody releases stands still for ever"]
pub struct Frozen {
    members: Members,
    how: How,
}

#[derive(Debug)]
enum How {
    /// By this file of its control group.
    Group(PathBuf),
    /// By a signal to each process. Its parent may notice, and another process may undo it.
    Signals(BTreeSet<u32>),
}

/// Freezes a task: by its control group where that can be, else by signals.
pub fn freeze(members: &Members) -> Frozen {
    if let Members::Group(folder) = members {
        let file = folder.join("cgroup.freeze");
        if fs::write(&file, "1").is_ok() {
            return Frozen { members: members.clone(), how: How::Group(file) };
        }
    }
    let mut stopped = BTreeSet::new();
    for _ in 0..PASSES {
        let fresh: Vec<u32> =
            members.processes().into_iter().filter(|process| !stopped.contains(process)).collect();
        if fresh.is_empty() {
            break;
        }
        for process in fresh {
            signal(process, Signal::STOP);
            stopped.insert(process);
        }
    }
    Frozen { members: members.clone(), how: How::Signals(stopped) }
}

impl Frozen {
    /// Whether the kernel's freezer holds it, which the task cannot notice or undo.
    pub fn is_by_group(&self) -> bool {
        matches!(self.how, How::Group(_))
    }

    /// Lets the task go on.
    pub fn release(self) {
        match self.how {
            How::Group(file) => {
                if let Err(error) = fs::write(&file, "0") {
                    tracing::warn!(path = %file.display(), %error, "cannot release a frozen task");
                }
            }
            How::Signals(stopped) => {
                let alive = self.members.processes();
                let ours = alive.into_iter().filter(|process| stopped.contains(process));
                ours.for_each(|process| signal(process, Signal::CONT));
            }
        }
    }
}

fn signal(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // One that has ended meanwhile needs nothing.
    let _ = process.map(|process| pidfd_send_signal(&process, signal));
}
