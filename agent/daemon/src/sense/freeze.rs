//! Makes all processes of a task stand still, and lets them go on.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Members, proc};

/// How often the processes are gone through; one that forks all the time could outrun a single pass.
const PASSES: usize = 20;

/// The most processes that are stopped one by one.
const MOST: usize = 32_768;

/// How many of them are held open at a time.
const BATCH: usize = 256;

/// The most threads of a process that are looked at.
const THREADS: usize = 4096;

/// A task that stands still until it is released.
#[derive(Debug)]
#[must_use = "a task that nobody releases stands still for ever"]
pub struct Frozen {
    how: How,
    partial: Option<Partial>,
}

#[derive(Debug)]
enum How {
    /// By this file of its control group.
    Group(PathBuf),
    /// By a signal to each process. Its parent may notice, and another process may undo it.
    Signals { task: Task, stopped: BTreeSet<u32> },
}

/// Why not all of a task stands still.
#[derive(Debug, thiserror::Error)]
pub enum Partial {
    /// It has more processes than are stopped one by one.
    #[error("the task has more than {most} processes, and the others go on")]
    TooMany {
        /// As many are stopped.
        most: usize,
    },
    /// It starts others faster than they are stopped.
    #[error("the task starts processes as fast as they are stopped: {passes} looks found new ones")]
    Restless {
        /// How often it was looked at.
        passes: usize,
    },
    /// Some of its processes take no signal.
    #[error("{count} processes of the task cannot be stopped")]
    Refused {
        /// How many.
        count: usize,
        /// What the kernel says of the last of them.
        source: io::Error,
    },
}

/// The processes of a task, as long as its first one lives.
#[derive(Debug)]
struct Task {
    members: Members,
    /// Readable when its first process has ended: from then on what is known of the others may be another's.
    first: Option<OwnedFd>,
}

/// What came of signals.
#[derive(Debug, Default)]
struct Sent {
    done: BTreeSet<u32>,
    refused: BTreeSet<u32>,
    last: Option<Errno>,
}

/// Freezes a task: by its control group where that can be, else by signals. `first` is its first process, readable
/// when that has ended; `None`: whoever calls sees to it that it lives.
///
/// It goes through all processes of the host if the task has no control group, several times: call it where nobody
/// waits for it.
pub fn freeze(members: &Members, first: Option<OwnedFd>) -> Frozen {
    if let Members::Group(folder) = members {
        let file = folder.join("cgroup.freeze");
        if fs::write(&file, "1").is_ok() {
            return Frozen { how: How::Group(file), partial: None };
        }
    }
    stop(Task { members: members.clone(), first }, MOST)
}

/// Stops the processes of a task one by one, at most so many.
fn stop(task: Task, most: usize) -> Frozen {
    let mut sent = Sent::default();
    for _ in 0..PASSES {
        let listed = task.members.list(most);
        let is_new = |one: &u32| !sent.done.contains(one) && !sent.refused.contains(one);
        let fresh: Vec<u32> = listed.processes.into_iter().filter(is_new).collect();
        if fresh.is_empty() || task.is_over() {
            let partial = sent.refusal().or((!listed.is_all).then_some(Partial::TooMany { most }));
            return Frozen { how: How::Signals { task, stopped: sent.done }, partial };
        }
        task.signal(&fresh, Signal::STOP, most, &mut sent);
    }
    let partial = Some(Partial::Restless { passes: PASSES });
    Frozen { how: How::Signals { task, stopped: sent.done }, partial }
}

impl Frozen {
    /// Whether the kernel's freezer holds it, which the task cannot notice or undo.
    pub fn is_by_group(&self) -> bool {
        matches!(self.how, How::Group(_))
    }

    /// Why not all of it stands still, if so.
    pub fn partial(&self) -> Option<&Partial> {
        self.partial.as_ref()
    }

    /// Looks again whether all of it stands still, and stops what does not: by signals only, because what stands still by
    /// them another process of the same user can let go on. Returns how many processes did not stand still.
    pub fn hold(&mut self) -> usize {
        let How::Signals { task, stopped } = &mut self.how else { return 0 };
        let listed = task.members.list(MOST).processes;
        let astir: Vec<u32> = listed.into_iter().filter(|one| is_astir(*one)).collect();
        if astir.is_empty() || task.is_over() {
            return 0;
        }
        let mut sent = Sent::default();
        task.signal(&astir, Signal::STOP, MOST, &mut sent);
        let count = sent.done.len();
        stopped.append(&mut sent.done);
        count
    }

    /// Lets the task go on. As slow as [`freeze`].
    pub fn release(self) {
        match self.how {
            How::Group(file) => thaw(&file),
            How::Signals { task, stopped } => {
                let stopped: Vec<u32> = stopped.into_iter().collect();
                let mut sent = Sent::default();
                // What has come since may have lower numbers.
                task.signal(&stopped, Signal::CONT, 2 * MOST, &mut sent);
                if let Some(refusal) = sent.refusal() {
                    tracing::error!(error = %refusal, "a task goes on in part only");
                }
            }
        }
    }

    /// Its task is over, and what is left of it is killed, which who stands still heeds, too.
    pub(crate) fn give_up(self) {
        match self.how {
            How::Group(file) => thaw(&file),
            How::Signals { .. } => {}
        }
    }
}

impl Task {
    fn is_over(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.first.as_ref().is_some_and(|first| {
            let mut set = [PollFd::new(first, PollFlags::IN)];
            poll(&mut set, Some(&now)).is_ok_and(|count| count > 0)
        })
    }

    /// Sends a signal to those of these processes that are the task's.
    fn signal(&self, processes: &[u32], signal: Signal, most: usize, sent: &mut Sent) {
        for batch in processes.chunks(BATCH) {
            let mut open = Vec::with_capacity(batch.len());
            for process in batch {
                let pid = i32::try_from(*process).ok().and_then(Pid::from_raw);
                let Some(pid) = pid else { continue };
                match pidfd_open(pid, PidfdFlags::empty()) {
                    Ok(process_fd) => open.push((*process, process_fd)),
                    Err(errno) => sent.note(*process, Err(errno)),
                }
            }
            // Listed after they were opened: who has the number of one that is the task's is that one.
            let listed = self.members.list(most).processes;
            if self.is_over() {
                return;
            }
            for (process, process_fd) in open {
                if listed.binary_search(&process).is_ok() {
                    sent.note(process, pidfd_send_signal(&process_fd, signal));
                }
            }
        }
    }
}

impl Sent {
    fn note(&mut self, process: u32, result: rustix::io::Result<()>) {
        match result {
            Ok(()) => {
                self.done.insert(process);
            }
            // It has ended meanwhile, and needs nothing.
            Err(Errno::SRCH) => {}
            Err(errno) => {
                self.refused.insert(process);
                self.last = Some(errno);
            }
        }
    }

    fn refusal(&self) -> Option<Partial> {
        let source = self.last?.into();
        Some(Partial::Refused { count: self.refused.len(), source })
    }
}

/// Whether a process could compute: a thread of it is neither stopped nor at its end, and does not wait for a device, after
/// which it would stop.
fn is_astir(process: u32) -> bool {
    match state(&format!("/proc/{process}/stat")) {
        // So its first thread is, and the others may be at work.
        Some('Z' | 'D') => {
            let threads = proc::numbers(&format!("/proc/{process}/task"), THREADS).into_iter();
            threads
                .filter_map(|thread| state(&format!("/proc/{process}/task/{thread}/stat")))
                .any(moves)
        }
        state => state.is_some_and(moves),
    }
}

fn moves(state: char) -> bool {
    !['T', 't', 'Z', 'X', 'x', 'D'].contains(&state)
}

/// The state of a process or a thread, as a letter; `None`: it is gone.
fn state(stat: &str) -> Option<char> {
    let line = fs::read(stat).ok()?;
    String::from_utf8_lossy(&line).rsplit(')').next()?.trim_start().chars().next()
}

/// Releases a control group.
fn thaw(file: &std::path::Path) {
    if let Err(error) = fs::write(file, "0") {
        tracing::warn!(path = %file.display(), %error, "cannot release a frozen task");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process and its child, which waits for the end of its input.
    fn pair() -> (Child, Task, [u32; 2]) {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'echo $$; exec cat'; true"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_child(&child);
        let first = Some(pidfd_open(pid, PidfdFlags::empty()).unwrap());
        let task = Task { members: Members::Family(child.id()), first };
        let processes = [child.id(), line.trim().parse().unwrap()];
        (child, task, processes)
    }

    /// Waits until a process stands still, or does not.
    fn until_still(process: u32, wanted: bool) {
        // Nothing tells when a process that is not a child begins to stand still: it is asked.
        let is_still = || {
            let line = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            line.rsplit(')').next().unwrap().starts_with(" T")
        };
        while is_still() != wanted {
            std::thread::yield_now();
        }
    }

    fn until_all(processes: [u32; 2], wanted: bool) {
        for process in processes {
            until_still(process, wanted);
        }
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn all_processes_stand_still_and_go_on() {
        let (child, task, processes) = pair();

        let frozen = stop(task, MOST);

        assert!(frozen.partial().is_none(), "{frozen:?}");
        until_all(processes, true);
        frozen.release();
        until_all(processes, false);
        end(child);
    }

    #[test]
    fn what_another_lets_go_on_is_stopped_again_at_the_next_look() {
        let (child, task, processes) = pair();
        let mut frozen = stop(task, MOST);
        until_all(processes, true);
        assert_eq!(frozen.hold(), 0, "all of it stands still");

        let woken = Pid::from_raw(processes[1].cast_signed()).unwrap();
        rustix::process::kill_process(woken, Signal::CONT).unwrap();
        until_still(processes[1], false);

        assert_eq!(frozen.hold(), 1);
        until_all(processes, true);
        frozen.release();
        until_all(processes, false);
        end(child);
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_is_stopped_again_for_the_others() {
        let folder = tempfile::TempDir::new().unwrap();
        let (code, program) = (folder.path().join("alone.c"), folder.path().join("alone"));
        let text = "#include <pthread.h>\nvoid *spin(void *none) { for (;;); }\n\
                    int main(void) { pthread_t one; pthread_create(&one, 0, spin, 0); pthread_exit(0); }\n";
        fs::write(&code, text).unwrap();
        let built = Command::new("cc").args(["-pthread", "-o"]).args([&program, &code]).status();
        assert!(built.unwrap().success(), "a C compiler is there, as building takes one");
        let mut child = Command::new(&program).spawn().unwrap();
        while state(&format!("/proc/{}/stat", child.id())) != Some('Z') {
            std::thread::yield_now();
        }

        let before = is_astir(child.id());
        let pid = Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::STOP).unwrap();
        while is_astir(child.id()) {
            std::thread::yield_now();
        }
        rustix::process::kill_process(pid, Signal::CONT).unwrap();
        while !is_astir(child.id()) {
            std::thread::yield_now();
        }

        assert!(before, "its second thread computes");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_task_of_more_processes_than_can_be_stopped_is_told_as_one_that_stands_still_in_part() {
        let (child, task, processes) = pair();
        let lower = processes.into_iter().min().unwrap();
        let higher = processes.into_iter().max().unwrap();

        let frozen = stop(task, 1);

        let partial = frozen.partial().map(ToString::to_string);
        let said = "the task has more than 1 processes, and the others go on";
        assert_eq!(partial.as_deref(), Some(said));
        until_still(lower, true);
        until_still(higher, false);
        frozen.release();
        until_still(lower, false);
        end(child);
    }

    #[test]
    fn nobody_is_stopped_when_the_first_process_has_ended() {
        let (child, task, [_, other]) = pair();
        let stranger = Members::Family(other);
        let mut ended = Command::new("true").spawn().unwrap();
        let first = pidfd_open(Pid::from_child(&ended), PidfdFlags::empty()).unwrap();
        ended.wait().unwrap();

        let frozen = stop(Task { members: stranger, first: Some(first) }, MOST);

        assert!(matches!(&frozen.how, How::Signals { stopped, .. } if stopped.is_empty()));
        until_still(other, false);
        frozen.release();
        drop(task);
        end(child);
    }
}
