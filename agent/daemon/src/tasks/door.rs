//! Where agents come in, and what else an executor watches: its folder, and signals.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;

use super::Tasks;
use super::token::Token;
use crate::place::Place;

/// The executor's folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Door {
    place: Place,
    listener: UnixListener,
    /// Tells of what is removed from the folder; `None` where the system cannot.
    watch: Option<OwnedFd>,
    /// Counts signals.
    signals: OwnedFd,
    /// Locked as long as it is open.
    _lock: File,
}

impl Door {
    /// Listens in a folder of which `lock` is held.
    pub(crate) fn open(place: Place, mut lock: File) -> io::Result<Self> {
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        let listener = place.listen()?;
        let watch = watch(&place).inspect_err(|error| {
            tracing::warn!(%error, "cannot watch the executor's folder, so its end is noticed late");
        });
        let signals = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { place, listener, watch: watch.ok(), signals, _lock: lock })
    }

    /// What counts signals.
    pub(crate) fn signals(&self) -> &OwnedFd {
        &self.signals
    }

    /// Enters all that is watched into an epoll set.
    pub(super) fn watch(&self, epoll: &OwnedFd) -> rustix::io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(epoll, &self.listener, Token::Door.pack(), flags)?;
        epoll::add(epoll, &self.signals, Token::Signal.pack(), flags)?;
        let watch = self.watch.as_ref();
        watch.map_or(Ok(()), |watch| epoll::add(epoll, watch, Token::Folder.pack(), flags))
    }

    /// Whether the folder is gone, and with it whoever could want anything of this executor.
    pub(crate) fn is_gone(&self) -> bool {
        self.place.is_gone()
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        if let Err(error) = self.place.remove_socket() {
            tracing::warn!(%error, "cannot remove the executor's socket");
        }
    }
}

fn watch(place: &Place) -> io::Result<OwnedFd> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let flags = inotify::WatchFlags::DELETE | inotify::WatchFlags::DELETE_SELF;
    inotify::add_watch(watch.as_fd(), place.path(), flags)?;
    Ok(watch)
}

impl Tasks {
    /// Lets in all who knock.
    pub(super) fn open_door(&self) {
        loop {
            match self.door.listener.accept() {
                Ok((socket, _)) => self.admit(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "cannot let an agent in");
                    return;
                }
            }
        }
    }

    /// Something in the folder was removed.
    pub(super) fn look_at_folder(&self) {
        if let Some(watch) = &self.door.watch {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
            let mut reader = inotify::Reader::new(watch, &mut buffer);
            // What it was does not matter.
            while reader.next().is_ok() {}
        }
        if self.door.is_gone() {
            tracing::warn!("the data folder is gone: all tasks are killed");
            self.orphans.end();
        }
    }

    /// A signal has come.
    pub(super) fn take_signal(&self) {
        let mut count = [0; 8];
        if rustix::io::read(self.door.signals(), &mut count).is_ok() {
            self.told_to_end();
        }
    }
}
