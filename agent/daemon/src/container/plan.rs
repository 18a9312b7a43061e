//! What a container is made of.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::FRONT_PATH;

/// What a container is made of.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// By which it is removed; no other container has it.
    pub(crate) name: String,
    /// The agent's own, by which leftovers are found.
    pub(crate) mark: &'a str,
    /// With its digest, or by its id.
    pub(crate) image: &'a str,
    /// The program and its arguments.
    pub(crate) program: Vec<OsString>,
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// Where the file with the variables is written, readable by this user only.
    pub(crate) scratch: &'a Path,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) working_folder: PathBuf,
    /// User and group, by number.
    pub(crate) user: (u32, u32),
    /// Whether it may do what root of a container usually may.
    pub(crate) has_capabilities: bool,
    pub(crate) network: Network,
    /// Devices of the host that it may use, and where it sees them.
    pub(crate) devices: Vec<(&'a Path, &'a Path)>,
    /// Groups that its user is in besides, by number.
    pub(crate) groups: Vec<u32>,
    /// Below which it gets its own, as the engine names it.
    pub(crate) group: &'a Path,
    /// The only ones that it runs on: `0-2,5`; `None`: all.
    pub(crate) processors: Option<String>,
    /// Of `/dev/shm`, in bytes; `None`: as the engine has it.
    pub(crate) shared_memory: Option<u64>,
}

/// A file or folder of the host that is seen in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// On the host.
    pub(crate) path: PathBuf,
    /// In the container.
    pub(crate) at: PathBuf,
    pub(crate) shown: Shown,
}

/// What may be done with something of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    ToRead,
    ToChange,
}

/// What of the network is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Network {
    /// That of the host.
    Host,
    /// Only the container itself.
    None,
    /// What the network at this path reaches. The list of hosts that comes with it is mounted.
    Joined(PathBuf),
}

impl Plan<'_> {
    /// The arguments of the engine's `create`.
    pub(super) fn arguments(&self, variables: &Path, label: &str) -> Vec<OsString> {
        let mut all: Vec<OsString> = Vec::with_capacity(48);
        let mut add = |option: &str, value: OsString| all.extend([option.into(), value]);
        add("--name", self.name.clone().into());
        add("--label", format!("{label}={}", self.mark).into());
        add("--pull", "never".into());
        add("--log-driver", "none".into());
        add("--env-file", variables.into());
        add("--security-opt", "no-new-privileges".into());
        if !self.has_capabilities {
            add("--cap-drop", "all".into());
        }
        add("--user", format!("{}:{}", self.user.0, self.user.1).into());
        let network = match &self.network {
            Network::Host => "host".into(),
            Network::None => "none".into(),
            Network::Joined(path) => {
                let mut joined = OsString::from("ns:");
                joined.push(path);
                joined
            }
        };
        add("--network", network);
        for (path, shown) in &self.devices {
            let mut device = path.as_os_str().to_owned();
            device.push(":");
            device.push(shown);
            device.push(":rwm");
            add("--device", device);
        }
        for group in &self.groups {
            add("--group-add", group.to_string().into());
        }
        add("--cgroup-parent", self.group.into());
        // The limit is that of the group above, which is set when the engine needs no more threads in it.
        add("--pids-limit", MOST_PIDS.to_string().into());
        if let Some(list) = &self.processors {
            add("--cpuset-cpus", list.into());
        }
        if let Some(bytes) = self.shared_memory {
            add("--shm-size", format!("{bytes}b").into());
        }
        // An engine that may not raise limits fails with its own defaults, so they are said.
        for (name, limit) in limits() {
            add("--ulimit", format!("{name}={limit}:{limit}").into());
        }
        for mount in &self.mounts {
            add("--mount", mount.argument());
        }
        if matches!(self.network, Network::Joined(_)) {
            // Nobody answers there, and who asks is to hear that soon.
            add("--dns", "127.0.0.1".into());
            add("--dns-option", "timeout:1".into());
            add("--dns-option", "attempts:1".into());
        }
        add("--workdir", self.working_folder.clone().into());
        // What the image would start is left out: the job says what runs.
        add("--entrypoint", FRONT_PATH.into());
        all.push(self.image.into());
        all.extend(self.program.iter().cloned());
        all
    }
}

/// The most processes of a container whose task has no limit of them.
const MOST_PIDS: u32 = 30_000;
/// The most files that a process of a container may open.
const MOST_FILES: u64 = 1 << 20;

/// Limits of each process in a container: what this one may have itself, and may pass on.
fn limits() -> [(&'static str, u64); 2] {
    use rustix::process::{Resource, getrlimit};
    let most = |resource, most| getrlimit(resource).maximum.map_or(most, |has| has.min(most));
    [
        ("nofile", most(Resource::Nofile, MOST_FILES)),
        ("nproc", most(Resource::Nproc, u64::from(MOST_PIDS))),
    ]
}

impl Mount {
    /// What is seen at its own path.
    pub(crate) fn here(path: &Path, shown: Shown) -> Self {
        Self { path: path.into(), at: path.into(), shown }
    }

    fn argument(&self) -> OsString {
        let mut text = OsString::from("type=bind,source=");
        text.push(&self.path);
        text.push(",target=");
        text.push(&self.at);
        if self.shown == Shown::ToRead {
            text.push(",readonly");
        }
        text
    }
}
