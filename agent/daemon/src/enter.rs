//! A command in the box of a running task: a process of its own, started by the agent, that goes in.
//!
//! It joins the task's control groups and namespaces and starts the command there, as the task's user and with its
//! variables. When the command has ended, or the task, or nobody listens any more, or the agent is gone, all that the
//! command has started is ended, too. In a box that takes a process inside: what is orphaned in a pid namespace is
//! given to nobody outside of it.
//!
//! | module | what it does |
//! | --- | --- |
//! | `found` | makes sure that a process is the one that is meant |
//! | `keeper` | waits for the end, and ends what is left |

mod found;
mod keeper;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces, set_no_new_privs};

use self::found::Found;
use self::keeper::Bonds;
use crate::sandbox;

/// What is to run, and where.
#[derive(Debug)]
pub struct Entry {
    /// The number of an open descriptor that is at its end when nobody listens to the command any more. It is this
    /// process's own from now on.
    pub leash: i32,
    /// The process whose box it is; `None`: no box, only a terminal of its own.
    pub pid: Option<i32>,
    /// When that was started, in ticks since the machine was; `None`: nobody has said.
    pub start_ticks: Option<u64>,
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

/// A box that was gone into.
#[derive(Debug)]
struct Inside {
    /// Readable when the task has ended.
    task: OwnedFd,
    /// Whether processes have other numbers in there: only a child of this one is in there, then.
    has_own_numbers: bool,
}

fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> EnterError {
    move |source| EnterError { what: what.into(), source: source.into() }
}

/// Runs a command in the box of a task; returns its exit code, 128 and the signal if one has ended it.
///
/// Call it on the only thread of a process that does nothing else and ends with what this returns: in a box it
/// returns in two processes, of which the first ends as the second does.
///
/// # Errors
///
/// What keeps it from going in, the command from starting, or what the command leaves behind from ending.
pub fn enter(entry: &Entry) -> Result<i32, EnterError> {
    let leash = leash(entry.leash).map_err(failed("be tied to the agent"))?;
    let (name, arguments) = entry.command.split_first().ok_or_else(|| EnterError {
        what: "run nothing".into(),
        source: io::ErrorKind::InvalidInput.into(),
    })?;
    let mut command = Command::new(name);
    command.args(arguments);
    let find = |pid| Found::find(pid, entry.start_ticks).map_err(failed("find the task"));
    let task = entry.pid.map(find).transpose()?;
    let inside = task.map(|task| go_in(task, entry.boxed, &mut command)).transpose()?;
    if inside.as_ref().is_some_and(|inside| inside.has_own_numbers)
        && let Some(code) = split().map_err(failed("start a process in the box"))?
    {
        return Ok(code);
    }
    keeper::adopt().map_err(failed("have what the command leaves behind"))?;
    confine(entry, &mut command);
    let what = format!("start {}", Path::new(name).display());
    let child = command.spawn().map_err(failed(what))?;
    drop(command);
    let bonds = Bonds { leash, task: inside.map(|inside| inside.task) };
    keeper::keep(&child, &bonds).map_err(failed("see the command and what it leaves to an end"))
}

/// Makes a command that of the task's user, in its folder, and under its filter.
fn confine(entry: &Entry, command: &mut Command) {
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
    let (terminal, confined) = (entry.terminal, entry.pid.is_some());
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
}

/// Takes a descriptor that whoever has started this process has left to it; the command does not get it.
fn leash(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it takes three numbers and touches no memory of this process.
    #[expect(unsafe_code, reason = "the safe call takes what is known to be open")]
    let done = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as was just seen, and nothing else in this process knows it.
    #[expect(unsafe_code, reason = "it comes as a number")]
    let leash = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(leash)
}

/// Goes on in a child, where it returns nothing; here it waits for the end of that, and returns its exit code.
fn split() -> io::Result<Option<i32>> {
    // SAFETY: this is the only thread of the process, so the child has all of it.
    #[expect(unsafe_code, reason = "there is no safe call")]
    let forked = unsafe { libc::fork() };
    if forked < 0 {
        return Err(io::Error::last_os_error());
    }
    let Some(child) = Pid::from_raw(forked) else { return Ok(None) };
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(Some(keeper::code(status).unwrap_or(1))),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Joins groups and namespaces of a process, and gives a command its variables.
fn go_in(first: Found, boxed: bool, command: &mut Command) -> Result<Inside, EnterError> {
    let child = boxed.then(|| first.first_child()).transpose().map_err(failed("find the task"))?;
    // The first process of a box is not in the task's groups itself.
    let task = child.as_ref().unwrap_or(&first);
    let environ = fs::read(format!("/proc/{}/environ", task.pid));
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
    sandbox::join_groups(task.pid)
        .map_err(failed::<io::Error>("join the control groups of the task"))?;
    let other = namespaces(first.pid);
    // All of that was read by numbers: they were theirs if both are there still.
    [Some(&first), child.as_ref()]
        .into_iter()
        .flatten()
        .try_for_each(Found::check)
        .map_err(failed("find the task"))?;
    if !other.is_empty() {
        move_into_thread_name_spaces(first.process.as_fd(), other)
            .map_err(failed("enter the namespaces of the task"))?;
    }
    let has_own_numbers = other.contains(ThreadNameSpaceType::PROCESS_ID);
    Ok(Inside { task: first.process, has_own_numbers })
}

/// The namespaces of a process that are not this one's.
fn namespaces(pid: i32) -> ThreadNameSpaceType {
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
    other.fold(ThreadNameSpaceType::empty(), |all, one| all | one)
}

/// Makes standard input the terminal of this session.
fn own_terminal() -> io::Result<()> {
    // SAFETY: it takes two numbers and touches no memory of this process.
    #[expect(unsafe_code, reason = "no safe call of the features that are used here")]
    let done = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
