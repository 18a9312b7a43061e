//! A host in a temporary folder, and scripts that are run in its boxes.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use repower_model::Bytes;
use rustix::process::{WaitOptions, waitpid};
use tempfile::TempDir;

use crate::sandbox::cgroup::{Figures, Group, Limits};
use crate::sandbox::devices::Devices;
use crate::sandbox::host::{Host, Wanted};
use crate::sandbox::landlock::Access;
use crate::sandbox::spawn::{Failure, Program};
use crate::sandbox::strings::Strings;

/// A host of its own.
pub(super) struct Room {
    pub(super) host: Host,
    pub(super) folder: TempDir,
    /// Of its control groups.
    pub(super) name: String,
    /// On how many processors of their own tasks run; 0: on any.
    pub(super) pins: usize,
    /// What tasks reach that reach named places only.
    pub(super) places: Vec<String>,
    /// The GPUs that tasks have.
    pub(super) gpus: Vec<u64>,
}

/// How much a test asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Bare,
    Boxed,
    /// In a box that reaches named places only.
    Listed,
    Sealed,
}

/// How a task ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Both streams.
    pub(super) output: String,
    pub(super) figures: Figures,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Room {
    pub(super) fn new() -> Self {
        Self::with(Devices::look(Path::new("/")))
    }

    /// On a host with these device files.
    pub(super) fn with(devices: Devices) -> Self {
        let folder = TempDir::new().unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("repower-test-{}-{number}", std::process::id());
        let host = Host::with_devices(folder.path(), &name, devices).unwrap();
        let places = vec!["127.0.0.1:9".to_owned()];
        Self { host, folder, name, pins: 0, places, gpus: Vec::new() }
    }

    /// Whether the host can do this; says so if it cannot.
    pub(super) fn can(&self, ability: &str) -> bool {
        let can = self.host.abilities().contains(ability);
        if !can {
            drop(writeln!(std::io::stderr(), "SKIPPED: this host lacks {ability}"));
        }
        can
    }

    /// A fresh working folder.
    pub(super) fn work(&self, name: &str) -> PathBuf {
        let work = self.folder.path().join(name);
        fs::create_dir(&work).unwrap();
        work
    }

    /// Runs a script of the shell to its end.
    pub(super) fn run(&self, level: Level, limits: Limits, script: &str) -> End {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let work = self.work(&format!("work-{number}"));
        self.run_in(level, limits, "red", &work, script)
    }

    /// Runs a script of the shell to its end, for a project, in a folder.
    pub(super) fn run_in(
        &self,
        level: Level,
        limits: Limits,
        project: &str,
        work: &Path,
        script: &str,
    ) -> End {
        self.attempt(level, limits, project, work, &["/bin/sh", "-c", script]).unwrap()
    }

    pub(super) fn attempt(
        &self,
        level: Level,
        limits: Limits,
        project: &str,
        work: &Path,
        command: &[&str],
    ) -> Result<End, Failure> {
        let boxed = level != Level::Bare;
        let sees = [(work, Access::Change)];
        let reaches = (level == Level::Listed).then_some(self.places.as_slice());
        let pins = self.pins;
        let hosts = work.with_extension("names");
        let wanted = Wanted {
            limits,
            boxed,
            own_network: level == Level::Sealed,
            pins,
            gpus: &self.gpus,
            reaches: reaches.map(|places| (places, hosts.as_path())),
            project: Some(project).filter(|_| boxed && self.host.is_privileged()),
            sees: &sees,
        };
        let prepared = self.host.prepare(&wanted).unwrap();
        if let Some(user) = prepared.user {
            std::os::unix::fs::chown(work, Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut arguments = Strings::new();
        for argument in command {
            arguments.push(OsStr::new(argument)).unwrap();
        }
        let mut environment = Strings::new();
        environment.push(OsStr::new("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")).unwrap();
        let null = File::open("/dev/null").unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let path = CString::new(command[0]).unwrap();
        let folder = CString::new(work.to_str().unwrap()).unwrap();
        let program = Program {
            path: &path,
            arguments: &arguments,
            environment: &environment,
            folder: &folder,
            streams: [null.as_fd(), writer.as_fd(), writer.as_fd()],
        };
        let started = match self.host.start(program, &prepared) {
            Ok(started) => started,
            Err(failure) => {
                self.host.give_back(prepared).unwrap();
                return Err(failure);
            }
        };
        drop(writer);
        let (_, own) = waitpid(Some(started.pid), WaitOptions::empty()).unwrap().unwrap();
        let status = started.status.map_or_else(
            || own.as_raw(),
            |status| {
                let mut bytes = [0; 4];
                File::from(status).read_exact(&mut bytes).map_or(9, |()| i32::from_ne_bytes(bytes))
            },
        );
        let figures = prepared.group.as_ref().map(Group::figures).unwrap_or_default();
        self.host.give_back(prepared).unwrap();
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        let exited = libc::WIFEXITED(status);
        Ok(End {
            code: exited.then(|| libc::WEXITSTATUS(status)),
            signal: (!exited).then(|| libc::WTERMSIG(status)),
            output,
            figures,
        })
    }
}

/// Limits of memory and processes.
pub(super) fn limits(memory: Option<u64>, pids: Option<u32>) -> Limits {
    Limits { memory: memory.map(Bytes::from_mib), pids, ..Limits::default() }
}
