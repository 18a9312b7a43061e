//! One running process and its pipes.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use repower_agent_core::Stream;
use repower_model::RankId;
use repower_proto::v1;
use rustix::event::epoll::{self, EventFlags};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::contained::Contained;
use super::folders::Folder;
use super::ownfile::OwnFile;
use super::prepared::Prepared as Job;
use super::progress::Said;
use super::still::Still;
use super::token::Token;
use crate::sandbox::{Group, Prepared, Reach};
use crate::sense::Members;
use crate::stat::Stat;

/// One running process and its pipes.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) attempt: RankId,
    /// `None` once it has been reaped.
    pub(super) pid: Option<Pid>,
    /// Readable when the process has ended.
    pub(super) pidfd: OwnedFd,
    /// Whether this agent has sent it SIGKILL.
    pub(super) killed: bool,
    /// What [`Shortage::begin`](super::shortage::Shortage::begin) said when it was launched.
    pub(super) kills: u64,
    /// When it was launched, as uptime.
    pub(super) since: Duration,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
    /// The writing ends, held until the process has ended, so that the pipes announce data only.
    pub(super) writers: Option<(OwnedFd, OwnedFd)>,
    pub(super) folder: Option<Folder>,
    /// What it says of its progress.
    pub(super) said: Said,
    /// What it is held by.
    pub(super) held: Option<Prepared>,
    /// The container that it runs.
    pub(super) contained: Option<Contained>,
    /// In a pid namespace: tells how the task itself ended.
    pub(super) status: Option<OwnedFd>,
    /// Whether it stands still, and whether it is to.
    pub(super) still: Still,
    /// Whether its folder may be wanted after its end.
    pub(super) has_outputs: bool,
    /// Keeps the file of its script.
    pub(super) job: Arc<Job>,
    /// Keeps the list of hosts of a gang.
    pub(super) _hosts: Option<OwnFile>,
}

impl Child {
    /// How its box is entered; `None`: it has ended.
    pub(super) fn way_in(&self) -> Option<v1::Process> {
        let pid = self.pid?.as_raw_nonzero().get();
        let user = self.held.as_ref().and_then(|held| held.user);
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (uid, gid) = user.map_or(own, |user| (user.uid, user.gid));
        let folder = self.job.working_folder.as_deref();
        let folder = folder.or(self.folder.as_ref().map(Folder::path))?;
        let enter = |on_terminal| {
            let words = self.contained.as_ref().map(|one| one.enter(on_terminal));
            words.unwrap_or_default().into_iter().map(OsString::into_vec).collect()
        };
        Some(v1::Process {
            attempt: Some(self.attempt.into()),
            pid: pid.unsigned_abs(),
            // It has not been reaped, so the number is its own.
            start_ticks: Stat::of(pid)?.start_ticks,
            uid,
            gid,
            filtered: self.held.as_ref().is_some_and(Prepared::is_boxed),
            folder: folder.as_os_str().as_bytes().to_vec(),
            engine: enter(false),
            engine_on_terminal: enter(true),
        })
    }

    /// The folder in which it works and its inputs are, if that is nobody else's.
    pub(super) fn own_folder(&self) -> Option<&Path> {
        let folder = self.folder.as_ref().filter(|_| self.job.working_folder.is_none());
        folder.map(Folder::path)
    }

    /// The control group that it runs in, or its container does.
    pub(super) fn group(&self) -> Option<&Group> {
        let held = self.held.as_ref().and_then(|held| held.group.as_ref());
        held.or(self.contained.as_ref().and_then(Contained::group))
    }

    /// By what its processes are known; `None` once the first has been reaped.
    pub(super) fn members(&self) -> Option<Members> {
        let pid = u32::try_from(self.pid?.as_raw_nonzero().get()).ok()?;
        let folder = self.group().and_then(Group::folder);
        Some(folder.map_or(Members::Family(pid), |folder| Members::Group(folder.to_owned())))
    }

    /// Others may have the processors that it had to itself.
    pub(super) fn unpin(&mut self) {
        if let Some(held) = &mut self.held {
            held.pinned = None;
        }
        if let Some(contained) = &mut self.contained {
            contained.pinned = None;
        }
    }

    /// What carries its connections, if anything does.
    pub(super) fn reach(&self) -> Option<&Reach> {
        let held = self.held.as_ref().and_then(|held| held.reach.as_ref());
        held.or_else(|| self.contained.as_ref().and_then(|one| one.reach.as_ref()))
    }

    /// The reading end of one of its pipes, if it is still open.
    pub(super) fn pipe(&mut self, stream: Stream) -> &mut Option<OwnedFd> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether both streams are at their end.
    pub(super) fn is_drained(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Enters the process and its pipes into the epoll set.
    pub(super) fn watch(&self, epoll: &OwnedFd, serial: u64) -> rustix::io::Result<()> {
        let once = EventFlags::IN | EventFlags::ONESHOT;
        if let Some(stdout) = &self.stdout {
            epoll::add(epoll, stdout, Token::Output(serial, Stream::Stdout).pack(), once)?;
        }
        if let Some(stderr) = &self.stderr {
            epoll::add(epoll, stderr, Token::Output(serial, Stream::Stderr).pack(), once)?;
        }
        // Each time that its end is told: who traces it is told first.
        let each = EventFlags::IN | EventFlags::ET;
        epoll::add(epoll, &self.pidfd, Token::Exit(serial).pack(), each)
    }

    /// Waits for more of one stream.
    pub(super) fn rearm(&self, epoll: &OwnedFd, serial: u64, stream: Stream) {
        let pipe = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        let Some(pipe) = pipe else { return };
        let once = EventFlags::IN | EventFlags::ONESHOT;
        if let Err(errno) = epoll::modify(epoll, pipe, Token::Output(serial, stream).pack(), once) {
            let error = std::io::Error::from(errno);
            tracing::error!(attempt = %self.attempt, %error, "cannot wait for a task's output");
        }
    }
}

/// A pipe of which the reading end never blocks.
pub(super) fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(reader.as_fd(), OFlags::NONBLOCK)?;
    Ok((reader, writer))
}
