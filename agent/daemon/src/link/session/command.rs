//! The process that an agent starts for a command in the box of a task.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use repower_proto::v1::{OpenSession, Process};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::process::Command;

/// What a command is held by: when this is dropped, also by the end of the agent however that comes, the process that
/// was started for it ends all that is below it.
#[derive(Debug)]
pub(super) struct Leash {
    _writer: OwnedFd,
}

/// What the agent starts: itself, which goes into the box, or the engine of the container.
pub(super) fn command(
    open: &OpenSession,
    process: &Process,
    own: Vec<OsString>,
) -> io::Result<(Command, Leash)> {
    let terminal = open.terminal.is_some();
    let engine = if terminal { &process.engine_on_terminal } else { &process.engine };
    let mut words = own.into_iter();
    let mut command = Command::new(words.next().unwrap_or_else(|| "/proc/self/exe".into()));
    command.args(words).arg("enter");
    let leash = leash(&mut command)?;
    if engine.is_empty() {
        command.arg("--pid").arg(process.pid.to_string());
        if process.start_ticks > 0 {
            command.arg("--started").arg(process.start_ticks.to_string());
        }
        command.arg("--user").arg(format!("{}:{}", process.uid, process.gid));
        command.arg("--folder").arg(OsString::from_vec(process.folder.clone()));
        if process.filtered {
            command.arg("--boxed");
        }
    }
    if terminal {
        command.arg("--terminal");
    }
    command.arg("--");
    command.args(engine.iter().cloned().map(OsString::from_vec)).args(&open.command);
    command.current_dir("/");
    Ok((command, leash))
}

/// Ties a command to what is returned.
fn leash(command: &mut Command) -> io::Result<Leash> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    command.arg("--leash").arg(reader.as_raw_fd().to_string());
    // SAFETY: between fork and exec it makes one system call, and allocates nothing.
    #[expect(unsafe_code, reason = "a descriptor is left to the new process only, and to no other")]
    unsafe {
        command.pre_exec(move || Ok(fcntl_setfd(&reader, FdFlags::empty())?));
    }
    Ok(Leash { _writer: writer })
}
