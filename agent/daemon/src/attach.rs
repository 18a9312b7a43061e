//! From an agent that starts to one that has an executor: the one that lives, or a new one.

mod handle;
mod start;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use repower_model::Resources;
use repower_proto::convert;
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::to_executor::Body as Down;
use repower_proto::v1::{Attach, FromExecutor, Greeting, Succession, ToExecutor};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::detector::Detector;
use crate::files;
use crate::frame::{self, Frames};
use crate::identity::{DataFolder, Identity};
use crate::place::{self, Place};
use crate::tasks::kill_leftovers;
use crate::{Error, Options, environment, version};

pub(crate) use handle::{Executor, ForLink, Gone};

/// How long an executor may take to greet.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an executor that lives but cannot be reached is tried.
const TRIES: u32 = 200;

/// How long to wait before the next try.
const BETWEEN: Duration = Duration::from_millis(50);

/// Knows where the executor of this data folder is, and how to start one.
#[derive(Debug)]
pub(crate) struct Attacher {
    options: Options,
    place: Place,
    /// The mark of the data folder.
    folder: String,
    node: String,
    capacity: Resources,
    version: String,
    files: Arc<files::Shared>,
    detector: Arc<Detector>,
}

/// An executor that has greeted.
#[derive(Debug)]
struct Met {
    socket: UnixStream,
    frames: Frames,
    greeting: Greeting,
    pid: Pid,
    /// If this process has started it.
    child: Option<Child>,
}

impl Attacher {
    pub(crate) fn new(
        options: &Options,
        data: &DataFolder,
        identity: &Identity,
        capacity: Resources,
        (files, detector): (files::Shared, Detector),
    ) -> Result<Self, Error> {
        let place = Place::open(data.path())
            .map_err(|source| Error::DataFolder { path: data.path().into(), source })?;
        Ok(Self {
            options: Options { data: data.path().into(), ..options.clone() },
            place,
            folder: identity.folder.clone(),
            node: identity.name.clone(),
            capacity,
            version: version::build(),
            files: Arc::new(files),
            detector: Arc::new(detector),
        })
    }

    /// What looks at tasks.
    pub(crate) fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &std::path::Path {
        &self.options.data
    }

    /// Attaches to the executor that lives; if none does, ends what is left of the last one, and
    /// starts another.
    pub(crate) async fn attach(&self, succession: Option<Succession>) -> Result<Executor, Error> {
        let mut met = self.meet().await?;
        if met.child.is_none() && self.options.replace_executor {
            tracing::warn!("replacing the executor: its tasks end");
            self.kill(met.pid)?;
            met = self.meet().await?;
        }
        if met.greeting.protocol != version::PROTOCOL {
            return Err(Error::OtherProtocol {
                pid: met.pid.as_raw_nonzero().get(),
                version: met.greeting.version,
                theirs: met.greeting.protocol,
                ours: version::PROTOCOL,
            });
        }
        let is_new = met.child.is_some();
        // One that was started just now could not be replaced by a better one.
        let is_latest = is_new || met.greeting.version == self.version;
        let attach = self.attachment(!is_latest, succession.filter(|_| is_new));
        let instance = match &attach.succession {
            Some(succession) => &succession.instance,
            None => &met.greeting.instance,
        };
        let instance = convert::instance("instance", instance)
            .map_err(|source| Error::StrangeExecutor { source: Box::new(source) })?;
        if !is_new {
            let version = met.greeting.version;
            tracing::info!(version, "found the executor that an earlier agent has started");
        }
        let executor = Executor::new(
            met.socket,
            met.frames,
            instance,
            met.child,
            (is_latest, met.greeting.project_users),
            (Arc::clone(&self.files), Arc::clone(&self.detector)),
        );
        // It has just greeted. Should it be gone now, the link notices.
        let _ = executor.send(Down::Attach(attach)).await;
        Ok(executor)
    }

    /// The program that executors are started with, and whatever is said before its role.
    pub(crate) fn program(&self) -> Vec<OsString> {
        match self.options.executor.split_last() {
            Some((_, program)) => program.to_vec(),
            None => vec!["/proc/self/exe".into()],
        }
    }

    fn attachment(&self, watch: bool, succession: Option<Succession>) -> Attach {
        let engine = self.files.engine().map(|engine| engine.program().as_os_str());
        let engine = engine.map(|program| program.as_bytes().to_vec());
        Attach {
            protocol: version::PROTOCOL,
            version: self.version.clone(),
            folder: self.folder.clone(),
            node: self.node.clone(),
            capacity: Some((&self.capacity).into()),
            backlog_bytes: self.options.backlog_mib.max(1) << 20,
            no_exec: self.options.no_exec,
            environment: environment::inherited(),
            watch,
            succession,
            // Empty: this host has none that works, which its inventory says.
            engine: engine.unwrap_or_default(),
            task_pids: self.options.task_pids,
        }
    }

    /// Meets the executor that lives, or starts one.
    async fn meet(&self) -> Result<Met, Error> {
        let unusable = |source| Error::DataFolder { path: self.place.path().into(), source };
        for _ in 0..TRIES {
            if let Ok(socket) = self.place.connect()
                && let Some(met) = self.greeted(socket).await?
            {
                return Ok(met);
            }
            if self.place.lock().map_err(unusable)?.is_some() {
                self.clean_up();
                return self.start().await;
            }
            // One lives, but does not answer: it starts, ends, or has not noticed yet that the agent
            // before this one is gone.
            tokio::time::sleep(BETWEEN).await;
        }
        Err(Error::ExecutorSilent { path: self.place.path().into() })
    }

    /// What was met at a socket; `None`: nobody who greets.
    async fn greeted(&self, socket: StdStream) -> Result<Option<Met>, Error> {
        let failed = |source| Error::System { what: "a socket to the executor", source };
        if !place::is_own(&socket).map_err(failed)? {
            return Err(Error::ForeignExecutor { path: self.place.path().into() });
        }
        let pid = place::peer(&socket).map_err(failed)?;
        let (socket, mut frames) = (usable(socket).map_err(failed)?, Frames::default());
        let mut socket = socket;
        Ok(match timeout(PATIENCE, greeting(&mut socket, &mut frames)).await {
            Ok(Ok(greeting)) => Some(Met { socket, frames, greeting, pid, child: None }),
            Ok(Err(_)) | Err(_) => None,
        })
    }

    /// Kills what an executor that is gone has left running.
    fn clean_up(&self) {
        match kill_leftovers(&self.folder) {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "killed processes that an executor had left"),
            Err(error) => {
                tracing::warn!(%error, "cannot look for processes that an executor has left");
            }
        }
    }

    /// Kills an executor, and waits until it is gone.
    fn kill(&self, pid: Pid) -> Result<(), Error> {
        let failed = |errno: rustix::io::Errno| Error::System {
            what: "the end of the executor",
            source: errno.into(),
        };
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        };
        // It still holds the lock, so it is the process that was met.
        if self.place.lock().is_ok_and(|lock| lock.is_some()) {
            return Ok(());
        }
        pidfd_send_signal(&process, Signal::KILL).map_err(failed)?;
        crate::tasks::wait_for_end(&process);
        Ok(())
    }
}

/// Reads the first message.
async fn greeting(socket: &mut UnixStream, frames: &mut Frames) -> io::Result<Greeting> {
    let mut buffer = vec![0; 4096];
    loop {
        let message: Option<FromExecutor> = frames.next().map_err(io::Error::other)?;
        if let Some(message) = message {
            return match message.body {
                Some(Up::Greeting(greeting)) => Ok(greeting),
                _ => Err(io::Error::other("it does not greet")),
            };
        }
        match socket.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => frames.push(&buffer[..count]),
        }
    }
}

fn usable(socket: StdStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// One message to the executor.
fn message(body: Down) -> Vec<u8> {
    frame::bytes(&ToExecutor { body: Some(body) })
}
