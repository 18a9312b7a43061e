//! One launch after another in each kind of confinement, for `repower bench spawn`.

mod plain;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use repower_model::Bytes;
use rustix::process::{WaitOptions, waitpid};

use self::plain::Plain;
use super::cgroup::Group;
use super::host::Host;
use super::spawn::{Confinement, Namespaces, Program};
use super::strings::Strings;
use super::users::User;
use super::view::View;
use super::{Limits, name_of};
use crate::{Error, inventory};

/// Launches `true` in one kind of confinement after the other.
#[derive(Debug)]
pub struct Launches {
    host: Host,
    view: View,
    nothing: File,
    arguments: Strings,
    environment: Strings,
    /// What makes this process large for a while.
    ballast: Vec<u8>,
}

/// How a process is launched.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As tasks are, with this on.
    Task(On),
    /// Without the launcher.
    Plain(Plain),
}

/// By how many bytes this process is larger where that is what is measured.
const LARGE: usize = 256 << 20;

/// What is on in one kind of launch.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one feature that costs something")]
struct On {
    user: bool,
    group: bool,
    fresh_group: bool,
    namespaces: Namespaces,
    view: bool,
    landlock: bool,
    filter: bool,
}

const NONE: Namespaces =
    Namespaces { pid: false, mount: false, ipc: false, network: false, user: false };
const BOX: Namespaces = Namespaces { pid: true, mount: true, ipc: true, ..NONE };
const OFF: On = On {
    user: false,
    group: false,
    fresh_group: false,
    namespaces: NONE,
    view: false,
    landlock: false,
    filter: false,
};
const BOXED: On =
    On { user: true, namespaces: BOX, view: true, landlock: true, filter: true, ..OFF };

const PLAIN: [(&str, Way, usize); 5] = [
    ("fork and exec", Way::Plain(Plain::Copied), 0),
    ("vfork and exec", Way::Plain(Plain::Borrowed), 0),
    ("fork and exec, by a process of 256 MiB", Way::Plain(Plain::Copied), LARGE),
    ("vfork and exec, by a process of 256 MiB", Way::Plain(Plain::Borrowed), LARGE),
    ("launcher, nothing on, in a process of 256 MiB", Way::Task(OFF), LARGE),
];

const KINDS: [(&str, On); 14] = [
    ("launcher, nothing on", OFF),
    ("user of its own", On { user: true, ..OFF }),
    ("control group from the pool: memory, pids, cpu", On { group: true, ..OFF }),
    ("control group made for it", On { fresh_group: true, ..OFF }),
    ("IPC namespace", On { namespaces: Namespaces { ipc: true, ..NONE }, ..OFF }),
    ("mount namespace", On { namespaces: Namespaces { mount: true, ..NONE }, ..OFF }),
    ("pid namespace, with its init", On { namespaces: Namespaces { pid: true, ..NONE }, ..OFF }),
    ("network namespace", On { namespaces: Namespaces { network: true, ..NONE }, ..OFF }),
    ("filter of system calls", On { filter: true, ..OFF }),
    (
        "pid and mount namespace, view of the files",
        On { namespaces: Namespaces { pid: true, mount: true, ..NONE }, view: true, ..OFF },
    ),
    (
        "the same with Landlock",
        On {
            namespaces: Namespaces { pid: true, mount: true, ..NONE },
            view: true,
            landlock: true,
            ..OFF
        },
    ),
    ("boxed", BOXED),
    ("boxed, with limits", On { group: true, ..BOXED }),
    (
        "sealed, with limits",
        On { group: true, namespaces: Namespaces { network: true, ..BOX }, ..BOXED },
    ),
];

impl Launches {
    /// Whom the tasks of a project run as, in the figures.
    const USER: User = User { uid: 200_000, gid: 200_000 };

    /// Ready to launch. `data` is a folder for this only.
    ///
    /// # Errors
    ///
    /// What keeps this host from being tried.
    pub fn new(data: &Path) -> Result<Self, Error> {
        let failed = |source| Error::System { what: "a launch", source };
        let host = Host::new(data, &name_of(data)).map_err(inventory::no_host)?;
        let view = host.bare_view().map_err(|error| failed(io::Error::other(error)))?;
        let mut arguments = Strings::new();
        arguments.push("true".as_ref()).map_err(|error| failed(error.into()))?;
        let nothing = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
        let (environment, ballast) = (Strings::new(), Vec::new());
        Ok(Self { host, view, nothing, arguments, environment, ballast })
    }

    /// The names of the kinds.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        all().map(|(name, ..)| name)
    }

    /// Makes this process as large as it is in one kind of launch, or as small as it was.
    ///
    /// # Panics
    ///
    /// If there is no kind of this number.
    pub fn prepare(&mut self, kind: usize) {
        let (_, _, larger) = all().nth(kind).expect("a kind that there is");
        if self.ballast.len() != larger {
            // Of pages that are there, and not only promised.
            self.ballast = vec![1; larger];
        }
    }

    /// Launches one, waits for its end, and cleans up after it.
    ///
    /// # Errors
    ///
    /// What this host cannot do, or what went wrong.
    ///
    /// # Panics
    ///
    /// If there is no kind of this number.
    pub fn launch(&self, kind: usize) -> io::Result<()> {
        let (_, way, _) = all().nth(kind).expect("a kind that there is");
        match way {
            Way::Task(on) => self.launch_task(on),
            Way::Plain(plain) => {
                let pid = plain.start(self.program())?;
                let ended = waitpid(Some(pid), WaitOptions::empty())?;
                match ended.and_then(|(_, status)| status.exit_status()) {
                    Some(0) => Ok(()),
                    code => Err(io::Error::other(format!("`true` ended with {code:?}"))),
                }
            }
        }
    }

    /// What is launched.
    fn program(&self) -> Program<'_> {
        Program {
            path: c"/bin/true",
            arguments: &self.arguments,
            environment: &self.environment,
            folder: c"/",
            streams: [self.nothing.as_fd(); 3],
        }
    }

    fn launch_task(&self, on: On) -> io::Result<()> {
        let limits = Limits {
            memory: Some(Bytes::from_mib(64)),
            pids: Some(64),
            cpu_milli: Some(1000),
            io_weight: None,
        };
        let group = (on.group || on.fresh_group).then(|| self.host.group(limits)).transpose()?;
        let confinement = Confinement {
            group: group.as_ref().map(Group::entrance),
            user: Some(Self::USER).filter(|_| on.user && self.host.is_privileged()),
            groups: &[],
            namespaces: Namespaces {
                user: !self.host.is_privileged() && on.namespaces != NONE,
                ..on.namespaces
            },
            network: None,
            view: Some(&self.view).filter(|_| on.view),
            landlock: self.host.landlock().filter(|_| on.landlock),
            filter: Some(self.host.filter()).filter(|_| on.filter),
            rlimits: &[],
        };
        let started =
            self.host.launcher().spawn(self.program(), confinement).map_err(|failure| {
                io::Error::other(format!("cannot {}: {}", failure.step.what(), failure.error()))
            })?;
        waitpid(Some(started.pid), WaitOptions::empty())?;
        match group {
            Some(group) if on.fresh_group => self.host.remove(group).map_err(io::Error::other),
            Some(group) => self.host.return_group(group).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

/// All kinds: their names, how they are launched, and by how much larger a process.
fn all() -> impl Iterator<Item = (&'static str, Way, usize)> {
    PLAIN.into_iter().chain(KINDS.into_iter().map(|(name, on)| (name, Way::Task(on), 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_needs_nothing_of_the_host_launches_a_program_to_its_end() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut launches = Launches::new(folder.path()).unwrap();

        for kind in 0..PLAIN.len() {
            launches.prepare(kind);
            launches.launch(kind).unwrap();
        }
        launches.prepare(0);

        assert_eq!(launches.ballast.len(), 0);
        let names: std::collections::BTreeSet<_> = Launches::kinds().collect();
        assert_eq!(names.len(), PLAIN.len() + KINDS.len(), "no two have one name");
    }
}
