//! One cluster for all tests of a file.
//!
//! It lives as long as one of them holds it, so that nothing is left when they have ended. A thread
//! of its own has started its processes: they end with the thread that started them, and a test's ends
//! with the test.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use repower::client::{Client, Profile};

use super::by_hand::Cell;
use super::cli::Cli;
use super::{runtime, start};

/// Where a cluster is.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The command line of its first person, in a folder of the test's own.
    pub(crate) cli: Cli,
    /// `https://HOST:PORT`.
    pub(crate) url: String,
    /// The scheduler's data folder.
    pub(crate) data: PathBuf,
    _keeper: Keeper,
}

/// Where a cluster is, as its keeper tells it.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    data: PathBuf,
    url: String,
}

impl Place {
    /// Where a cluster has its folders and its port.
    pub(crate) fn new(folder: &Path, data: &Path, url: &str) -> Self {
        Self { folder: folder.into(), data: data.into(), url: url.to_owned() }
    }
}

/// Keeps a cluster until it is dropped.
#[derive(Debug)]
struct Keeper {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(()))),
            "the cluster ends badly"
        );
    }
}

/// The place of a cluster that tests share: a static of their file.
#[derive(Debug)]
pub(crate) struct Sharing {
    keep: fn(&SyncSender<Place>, &Receiver<()>),
    now: Mutex<Weak<Shared>>,
}

impl Sharing {
    /// A cluster that this function keeps.
    pub(crate) const fn of(keep: fn(&SyncSender<Place>, &Receiver<()>)) -> Self {
        Self { keep, now: Mutex::new(Weak::new()) }
    }

    /// The cluster; it is started if no other test holds it.
    pub(crate) fn get(&self) -> Arc<Shared> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = now.upgrade() {
            return shared;
        }
        let (tell, told) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let keep = self.keep;
        let thread = std::thread::spawn(move || keep(&tell, &ended));
        let keeper = Keeper { end: Some(end), thread: Some(thread) };
        let place = told.recv().expect("the cluster starts");
        let shared = Arc::new(Shared {
            cli: Cli::new(&place.data.join("client.toml"), &place.folder),
            url: place.url,
            data: place.data,
            _keeper: keeper,
        });
        *now = Arc::downgrade(&shared);
        shared
    }
}

impl Shared {
    /// What a client needs to know.
    pub(crate) fn profile(&self) -> Profile {
        Profile::find(Some(&self.cli.profile)).unwrap().profile
    }

    /// A connection as the first person.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.profile()).await.unwrap()
    }

    /// An empty folder in that of the cluster, which goes with it.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.cli.folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    }
}

/// Keeps a cluster of two agents with four processors each.
pub(crate) fn cluster(tell: &SyncSender<Place>, end: &Receiver<()>) {
    let runtime = runtime();
    let (folder, cluster) = runtime.block_on(start(2, Some(4)));
    let url = format!("https://{}", cluster.address());
    tell.send(Place::new(folder.path(), &cluster.data(), &url)).unwrap();
    // The other end is dropped when the last test has ended.
    assert!(end.recv().is_err(), "nobody sends");
    runtime.block_on(cluster.stop());
}

/// Keeps a scheduler without agents.
pub(crate) fn scheduler_alone(tell: &SyncSender<Place>, end: &Receiver<()>) {
    keep_cell(tell, end, &[], 0);
}

/// Keeps a cell with two agents that keeps 64 KiB of each stream.
pub(crate) fn frugal_cell(tell: &SyncSender<Place>, end: &Receiver<()>) {
    keep_cell(tell, end, &["--output-limit", "64KiB"], 2);
}

fn keep_cell(tell: &SyncSender<Place>, end: &Receiver<()>, options: &[&str], agents: usize) {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), options);
    for at in 1..=agents {
        cell.add_agent(&format!("n{at}"), &["--cpus", "4"]);
    }
    tell.send(Place::new(folder.path(), &cell.data(), &cell.url)).unwrap();
    assert!(end.recv().is_err(), "nobody sends");
    drop(cell);
}

/// A folder that goes when it is dropped.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("repower-test-").tempdir().unwrap()
}

/// Writes a file and returns its path as text.
pub(crate) fn file(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
