//! One launch after another in each kind of confinement, for `repower bench spawn`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use repower_model::Bytes;
use rustix::process::{WaitOptions, waitpid};

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
}

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
        Ok(Self { host, view, nothing, arguments, environment: Strings::new() })
    }

    /// The names of the kinds.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.into_iter().map(|(name, _)| name)
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
        let (_, on) = KINDS[kind];
        let limits =
            Limits { memory: Some(Bytes::from_mib(64)), pids: Some(64), cpu_milli: Some(1000) };
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
        let program = Program {
            path: c"/bin/true",
            arguments: &self.arguments,
            environment: &self.environment,
            folder: c"/",
            streams: [self.nothing.as_fd(); 3],
        };
        let started = self.host.launcher().spawn(program, confinement).map_err(|failure| {
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
