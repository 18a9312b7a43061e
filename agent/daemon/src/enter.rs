//! A command in the box of a running task: a process of its own, started by the agent, that goes in.
//!
//! It joins the task's control groups and namespaces and starts the command there, as the task's user and with its
//! variables. When the task ends the command is killed, and so it is when the agent or this process ends.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces, set_no_new_privs};

use crate::sandbox;

/// What is to run, and where.
#[derive(Debug)]
pub struct Entry {
    /// The process whose box it is; `None`: no box, only a terminal of its own.
    pub pid: Option<i32>,
    /// User and group.
    pub user: Option<(u32, u32)>,
    /// Whether it has namespaces with a first process of ours, and the filter of system calls.
    pub boxed: bool,
    /// In which folder.
    pub folder: Option<PathBuf>,
    /// Whether standard input is to be its terminal.
    pub terminal: bool,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// Why there is no getting in.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct EnterError {
    what: String,
    source: io::Error,
}

fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> EnterError {
    move |source| EnterError { what: what.into(), source: source.into() }
}

/// Runs a command in the box of a task; returns its exit code, 128 and the signal if one has ended it.
///
/// Call it on the only thread of a process that does nothing else.
///
/// # Errors
///
/// What keeps it from going in, or the command from starting.
pub fn enter(entry: &Entry) -> Result<i32, EnterError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("be tied to the agent"))?;
    let (name, arguments) = entry.command.split_first().ok_or_else(|| EnterError {
        what: "run nothing".into(),
        source: io::ErrorKind::InvalidInput.into(),
    })?;
    let mut command = Command::new(name);
    command.args(arguments);
    let task = entry.pid.map(|pid| go_in(pid, entry.boxed, &mut command)).transpose()?;
    if let Some((uid, gid)) = entry.user {
        command.uid(uid).gid(gid);
    }
    if !entry.terminal {
        // On a terminal it leads a session, and so a group.
        command.process_group(0);
    }
    if let Some(folder) = &entry.folder {
        command.current_dir(folder);
    }
    let filter = entry.boxed.then(sandbox::Bars::new);
    let (terminal, confined) = (entry.terminal, task.is_some());
    let before = move || {
        if terminal {
            rustix::process::setsid()?;
            own_terminal()?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if confined {
            set_no_new_privs(true)?;
        }
        filter.as_ref().map_or(Ok(()), sandbox::Bars::close)
    };
    // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
    #[expect(
        unsafe_code,
        reason = "what a command gets beyond its user must be done in its process"
    )]
    unsafe {
        command.pre_exec(before);
    }
    let what = format!("start {}", Path::new(name).display());
    let mut child = command.spawn().map_err(failed(what))?;
    drop(command);
    let status = wait(&mut child, task.as_ref()).map_err(failed("wait for the command"))?;
    Ok(status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}

/// Joins groups and namespaces of a process, and gives a command its variables; returns what tells of its end.
fn go_in(pid: i32, boxed: bool, command: &mut Command) -> Result<OwnedFd, EnterError> {
    let gone = || io::Error::from(rustix::io::Errno::SRCH);
    let known = Pid::from_raw(pid).ok_or_else(gone).map_err(failed("find the task"))?;
    let process = pidfd_open(known, PidfdFlags::empty()).map_err(failed("find the task"))?;
    let inner = if boxed { first_child(pid) } else { None };
    let environ = fs::read(format!("/proc/{}/environ", inner.unwrap_or(pid)));
    let environ = environ.map_err(failed("read the variables of the task"))?;
    let variables = environ.split(|byte| *byte == 0).filter_map(|one| {
        let at = one.iter().position(|byte| *byte == b'=')?;
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((text(&one[..at]), text(&one[at + 1..])))
    });
    command.env_clear().envs(variables);
    if let Some(terminal) = std::env::var_os("TERM") {
        command.env("TERM", terminal);
    }
    // The first process of a box is not in the task's groups itself.
    sandbox::join_groups(inner.unwrap_or(pid))
        .map_err(failed::<io::Error>("join the control groups of the task"))?;
    let kinds = [
        ("user", ThreadNameSpaceType::USER),
        ("mnt", ThreadNameSpaceType::MOUNT),
        ("pid", ThreadNameSpaceType::PROCESS_ID),
        ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        ("net", ThreadNameSpaceType::NETWORK),
    ];
    let differs = |name: &str| {
        let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/{name}")).ok();
        of("self") != of(&pid.to_string())
    };
    let other = kinds.into_iter().filter(|(name, _)| differs(name)).map(|(_, kind)| kind);
    let other = other.fold(ThreadNameSpaceType::empty(), |all, one| all | one);
    if !other.is_empty() {
        move_into_thread_name_spaces(process.as_fd(), other)
            .map_err(failed("enter the namespaces of the task"))?;
    }
    Ok(process)
}

/// The first child of the first process of a box: the task itself.
fn first_child(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Makes standard input the terminal of this session.
fn own_terminal() -> io::Result<()> {
    // SAFETY: it takes two numbers and touches no memory of this process.
    #[expect(unsafe_code, reason = "no safe call of the features that are used here")]
    let done = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for the end of the command; kills it when the task ends first.
fn wait(child: &mut Child, task: Option<&OwnedFd>) -> io::Result<ExitStatus> {
    let Some(task) = task else { return child.wait() };
    let own = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let mut set = [PollFd::new(&own, PollFlags::IN), PollFd::new(task, PollFlags::IN)];
        match poll(&mut set, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        if set[0].revents().is_empty() {
            // With whatever it has started: one of those could hold its output open.
            rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL)?;
        }
        return child.wait();
    }
}
