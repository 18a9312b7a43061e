//! Running an engine's program, for a bounded time.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The most bytes of an engine's complaint that are passed on.
const COMPLAINT_BYTES: usize = 400;
/// The most bytes of what it says that are read.
const SAID_BYTES: u64 = 64 << 10;

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
    // Never blocks: who outlives the program may hold the other end.
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = (stdout.map(OwnedFd::from), stderr.map(OwnedFd::from));
    for pipe in [&stdout, &stderr].into_iter().flatten() {
        fcntl_setfl(pipe.as_fd(), OFlags::NONBLOCK)?;
    }
    let status = end(&mut child, limit)?;
    Ok(Said { status, stdout: text(stdout), stderr: text(stderr) })
}

fn end(child: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit_spec = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let ended = loop {
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit_spec)) {
            Ok(count) => break count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    };
    if ended {
        return child.wait();
    }
    child.kill()?;
    child.wait()?;
    let text = format!("it has not answered for {} s", limit.as_secs());
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// What is in a pipe.
fn text(pipe: Option<OwnedFd>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // Up to its end, or to where it would block: what was read is kept.
        let _ = File::from(pipe).take(SAID_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
