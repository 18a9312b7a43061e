//! The executor: the process that is the parent of all tasks of a node, and outlives its agents.
//!
//! It holds the session with all that is not reported yet, so that an agent may be killed, restarted
//! or replaced while tasks run. It has no network and no runtime: a few threads and an epoll set.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{getpid, set_child_subreaper, setsid};

use crate::place::Place;
use crate::tasks::{Door, Tasks, Threads, kill_leftovers};
use crate::{Error, signals, version};

/// Runs an executor for the data folder `data` until nobody needs it any more. Its standard input,
/// `input`, is the socket of the agent that has started it.
///
/// Call it on the first thread of a process that does nothing else.
///
/// # Errors
///
/// What keeps it from starting.
pub fn execute(data: &Path, input: impl AsFd) -> Result<(), Error> {
    let failed = |what| move |source| Error::System { what, source };
    let first = first_agent(&input).ok_or(Error::NotForPeople)?;
    // Started by a shell it leads its group, and then has no need of another session.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))
        .map_err(|errno| Error::System { what: "the care of orphans", source: errno.into() })?;
    let unusable = |source| Error::DataFolder { path: data.into(), source };
    let place = Place::open(data).map_err(unusable)?;
    let Some(lock) = place.lock().map_err(unusable)? else {
        return Err(Error::SecondExecutor { path: place.path().into() });
    };
    let door = Door::open(place, lock).map_err(unusable)?;
    let tasks = Tasks::new(data, door, version::build())?;
    signals::count(tasks.door().signals()).map_err(failed("a handler of signals"))?;
    let threads = Threads::start(&tasks)?;
    tasks.admit(first);
    tasks.keep_orphans();
    tasks.door().close();
    // Kills what still runs.
    drop(threads);
    clean_up(&tasks);
    Ok(())
}

/// The agent at standard input, which is nobody's afterwards.
fn first_agent(input: &impl AsFd) -> Option<UnixStream> {
    rustix::net::sockopt::socket_peercred(input).ok()?;
    let first: OwnedFd = input.as_fd().try_clone_to_owned().ok()?;
    let nothing = std::fs::File::open("/dev/null").ok()?;
    rustix::stdio::dup2_stdin(&nothing).ok()?;
    Some(UnixStream::from(first))
}

/// Kills what tasks have left behind.
fn clean_up(tasks: &Tasks) {
    let Some(mark) = tasks.mark() else { return };
    if let Err(error) = kill_leftovers(&mark) {
        tracing::warn!(%error, "cannot look for what tasks have left behind");
    }
}
