//! Running an engine's program, for a bounded time.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock;

/// The most bytes of an engine's complaint that are passed on.
const COMPLAINT_BYTES: usize = 400;
/// The most bytes of what it says that are read.
const SAID_BYTES: usize = 64 << 10;

/// What a program has said before it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// The last thing that it complained about, cut to what fits into a sentence.
    pub(super) fn complaint(&self) -> String {
        complaint(&self.stderr)
    }
}

/// The last line of a text, without what every engine says before it, cut to what fits into a sentence.
pub(super) fn complaint(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    let line = line
        .trim()
        .trim_start_matches("Error: ")
        .trim_start_matches("Error response from daemon: ");
    let cut = line.char_indices().take_while(|(at, _)| *at < COMPLAINT_BYTES);
    cut.map(|(_, letter)| letter).collect()
}

/// Runs a program to its end; one that takes longer than `limit` is killed, which is an error.
pub(super) fn run(mut command: Command, limit: Duration) -> io::Result<Said> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut pipes = [Pipe::new(stdout.map(OwnedFd::from))?, Pipe::new(stderr.map(OwnedFd::from))?];
    let status = end(&mut child, &mut pipes, limit)?;
    let [stdout, stderr] = pipes.map(Pipe::text);
    Ok(Said { status, stdout, stderr })
}

/// Waits for the end of a program, and reads meanwhile what it says: nobody could say more than a pipe holds otherwise.
fn end(child: &mut Child, pipes: &mut [Pipe; 2], limit: Duration) -> io::Result<ExitStatus> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let until = clock::uptime() + limit;
    loop {
        let left = until.saturating_sub(clock::uptime());
        let left_spec = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let open = pipes.iter().filter_map(|pipe| pipe.file.as_ref());
        let mut set: Vec<PollFd<'_>> = std::iter::once(PollFd::new(&process, PollFlags::IN))
            .chain(open.map(|file| PollFd::new(file, PollFlags::IN)))
            .collect();
        match poll(&mut set, Some(&left_spec)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let has_ended = !set[0].revents().is_empty();
        pipes.iter_mut().for_each(Pipe::read);
        if has_ended {
            return child.wait();
        }
    }
    child.kill()?;
    child.wait()?;
    let text = format!("it has not answered for {} s", limit.as_secs());
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// What a program says.
#[derive(Debug)]
struct Pipe {
    /// `None`: it is at its end.
    file: Option<File>,
    said: Vec<u8>,
}

impl Pipe {
    /// Never blocks: who outlives the program may hold the other end.
    fn new(end: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(end) = &end {
            fcntl_setfl(end.as_fd(), OFlags::NONBLOCK)?;
        }
        Ok(Self { file: end.map(File::from), said: Vec::new() })
    }

    /// Reads what there is, up to what a pipe holds; what cannot be kept is dropped.
    fn read(&mut self) {
        let mut buffer = vec![0; SAID_BYTES];
        let Some(file) = &mut self.file else { return };
        match file.read(&mut buffer) {
            Ok(0) => self.file = None,
            Ok(count) => {
                let room = SAID_BYTES - self.said.len();
                self.said.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) => {
                let later = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
                if !later.contains(&error.kind()) {
                    self.file = None;
                }
            }
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn who_says_more_than_a_pipe_holds_comes_to_its_end_and_what_is_too_much_is_dropped() {
        let line = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 3";
        let said = run(shell(line), Duration::from_mins(2)).unwrap();

        assert_eq!(said.status.code(), Some(3));
        assert_eq!((said.stdout.len(), said.stderr.len()), (SAID_BYTES, SAID_BYTES));
    }

    #[test]
    fn who_outlives_the_program_with_its_output_in_hand_is_not_waited_for() {
        let said = run(shell("echo one; sleep 300 & echo $!"), Duration::from_mins(2)).unwrap();

        let (one, pid) = said.stdout.trim().split_once('\n').unwrap();
        assert_eq!(one, "one");
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn who_takes_too_long_is_killed() {
        let error = run(shell("exec sleep 300"), Duration::from_millis(50)).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
