//! An agent and its data folder, in this process.

use std::path::{Path, PathBuf};

use repower_agent::{Error, Options, Told};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::fake::{Authority, Fake, SECRET};

/// An agent or an executor as a process of its own.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_repower-agent-for-tests");

/// A data folder and a join file for one agent.
pub(crate) struct House {
    pub(crate) folder: TempDir,
}

/// A running agent.
pub(crate) struct Agent {
    stop: Option<oneshot::Sender<Told>>,
    run: JoinSet<Result<(), Error>>,
}

impl House {
    pub(crate) fn new(fake: &Fake) -> Self {
        Self::with(&fake.url(), &fake.authority, SECRET)
    }

    pub(crate) fn with(url: &str, authority: &Authority, secret: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let join = format!(
            "scheduler = \"{url}\"\nsecret = \"{secret}\"\nauthority = \"\"\"\n{}\"\"\"\n",
            authority.pem
        );
        std::fs::write(folder.path().join("join.toml"), join).unwrap();
        Self { folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            data: self.data(),
            join: Some(self.folder.path().join("join.toml")),
            name: Some("n1".into()),
            cpus: Some(2),
            memory_mib: Some(4096),
            disk_mib: Some(4096),
            executor: vec![PROGRAM.into(), "executor".into()],
            ..Options::default()
        }
    }

    pub(crate) fn start(&self) -> Agent {
        Agent::start(self.options())
    }
}

impl Agent {
    pub(crate) fn start(options: Options) -> Self {
        let (stop, stopped) = oneshot::channel();
        let mut run = JoinSet::new();
        run.spawn(repower_agent::run(options, async { stopped.await.unwrap_or(Told::Interrupt) }));
        Self { stop: Some(stop), run }
    }

    /// Tells it to end and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        drop(self.stop.take());
        self.end().await
    }

    /// Tells it to end as a service manager does, and waits until it has.
    pub(crate) async fn terminate(mut self) -> Result<(), Error> {
        self.stop.take().unwrap().send(Told::Terminate).unwrap();
        self.end().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(&mut self) -> Result<(), Error> {
        self.run.join_next().await.unwrap().unwrap()
    }
}

/// Whether a folder has no entries; one that is not there has none.
pub(crate) fn entries(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

/// Whether a process with this pid runs, zombies excluded.
pub(crate) fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: i32) {
    let ended = tokio::task::spawn_blocking(move || has_ended(pid)).await.unwrap();
    assert!(ended, "process {pid} still runs");
}

/// Waits for the end of a process that need not be a child; false if it takes too long.
fn has_ended(pid: i32) -> bool {
    let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
    let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// The time, for tests that measure how long something takes.
#[expect(clippy::disallowed_methods, reason = "the one clock of these tests")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
