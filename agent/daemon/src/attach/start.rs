//! How an executor is started.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;
use tokio::time::timeout;

use super::{Attacher, Met, PATIENCE, greeting, usable};
use crate::Error;
use crate::frame::Frames;

/// A log that is longer is put aside when an executor is started.
const LOG: u64 = 1 << 20;

/// How much of the end of a log is told.
const TAIL: u64 = 400;

impl Attacher {
    /// Starts an executor, and waits until it greets.
    pub(super) async fn start(&self) -> Result<Met, Error> {
        let failed = |source| Error::System { what: "a socket to the executor", source };
        let (own, other) = StdStream::pair().map_err(failed)?;
        let mut child = self.spawn(other)?;
        let pid = Pid::from_child(&child);
        let (mut socket, mut frames) = (usable(own).map_err(failed)?, Frames::default());
        let greeted = timeout(PATIENCE, greeting(&mut socket, &mut frames)).await;
        if let Ok(Ok(greeting)) = greeted {
            return Ok(Met { socket, frames, greeting, pid, child: Some(child) });
        }
        drop(child.kill());
        drop(child.wait());
        Err(Error::ExecutorFailed { log: tail(&self.place.log()), path: self.place.log() })
    }

    fn spawn(&self, socket: StdStream) -> Result<Child, Error> {
        keep_descriptors();
        let path = self.place.log();
        let log = open_log(&path).map_err(|source| Error::DataFolder { path, source })?;
        let mut command = self.command();
        command.stdin(OwnedFd::from(socket)).stdout(Stdio::null()).stderr(log);
        // Whatever folder the agent was started in, its executor does not keep it in use.
        command.current_dir("/");
        command.spawn().map_err(|source| Error::ExecutorNotStarted {
            program: command.get_program().into(),
            source,
        })
    }

    fn command(&self) -> Command {
        let Some((program, arguments)) = self.options.executor.split_first() else {
            let mut command = Command::new("/proc/self/exe");
            command.arg("executor").arg("--data").arg(&self.options.data);
            return command;
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.options.data);
        command
    }
}

/// Appends to the log; what is in it is put aside if it is too much.
fn open_log(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LOG) {
        std::fs::rename(path, path.with_extension("old"))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The end of a log, on one line.
fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "it has said nothing".into() } else { lines.join("; ") }
}

/// Lets no descriptor that this process has inherited get into the executor, which would keep it open
/// for long: a pipe, say, at whose other end somebody waits for this process to end.
fn keep_descriptors() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for number in numbers.filter(|number: &i32| *number > 2) {
        // SAFETY: fcntl takes numbers; a descriptor that is closed by now is refused by the kernel, and
        // this flag does nothing to one that is open but when another program is started.
        #[expect(unsafe_code, reason = "descriptors that nobody here owns are numbers only")]
        unsafe {
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
