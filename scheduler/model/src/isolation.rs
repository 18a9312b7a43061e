//! What a task is kept apart from, and what becomes of it when its node is cut off.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bytes, JobSpec};

/// How far a task is kept apart from its node and from other tasks. Each level has all of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Isolation {
    /// A session of its own, no new privileges, and its limits where the node can hold them.
    #[default]
    Bare,
    /// Sees no processes but its own and no files but its own and the system's, as a user of its own.
    Boxed,
    /// Has no network either, but for what its egress allows.
    Sealed,
}

impl Isolation {
    /// All of them, ascending.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Boxed, Self::Sealed];

    /// The name, as options, policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Boxed => "boxed",
            Self::Sealed => "sealed",
        }
    }
}

/// Folders of a node that a box shows, to be read: where systems keep programs, libraries and their settings.
pub const SYSTEM_FOLDERS: [&str; 11] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu",
];

/// Whether a box may have a folder of this name: one of the system, or its own `/tmp`, which is empty.
pub fn is_seen_from_boxes(folder: &str) -> bool {
    let below = |shown: &&str| {
        folder.strip_prefix(*shown).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    folder.trim_end_matches('/') == "/tmp" || SYSTEM_FOLDERS.iter().any(below)
}

/// What of the network a task reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Egress {
    /// Whatever its node reaches.
    #[default]
    Open,
    /// Nothing but itself.
    None,
    /// These only: `host:port`, ascending, none twice.
    Only(Vec<String>),
}

impl Egress {
    /// The most places that may be named.
    pub const MOST_PLACES: usize = 64;
}

/// Whether a text is `host:port`, as an egress names a place: a name or an address, in brackets if it has colons.
pub fn is_place(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = if let Some(address) = inner {
        address.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !host.is_empty() && host.bytes().all(is_letter)
    };
    is_port && is_host && text.len() <= 260
}

/// What becomes of a task when its node has lost the scheduler for the length of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum OnDisconnect {
    /// The agent stops it, and the scheduler tries it elsewhere.
    #[default]
    Stop,
    /// It goes on, and the scheduler waits for its node to come back.
    Keep,
}

impl OnDisconnect {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Stop, Self::Keep];

    /// The name, as options, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Keep => "keep",
        }
    }
}

/// Something that a node must be able to do so that a task can run there. Agents publish the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ability {
    /// Tasks on [`Isolation::Bare`] are never root: they have a user of their project, or that of an agent which is not.
    Bare,
    /// Everything that [`Isolation::Boxed`] takes.
    Boxed,
    /// Everything that [`Isolation::Sealed`] takes.
    Sealed,
    /// A network with nobody else in it.
    OwnNetwork,
    /// A network that reaches named places only.
    AllowList,
    /// The memory of all processes of a task together has a limit.
    LimitMemory,
    /// The processes of a task have a limit.
    LimitPids,
    /// Disks are shared by weight when they are scarce.
    LimitIo,
    /// The processors on which a task runs can be chosen.
    Cpuset,
    /// Container images.
    Container,
    /// Containers in a network that reaches named places only.
    ContainerAllowList,
    /// Disks are shared with containers by weight, too.
    ContainerLimitIo,
}

impl Ability {
    /// The name, as inventories list it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "isolation.bare",
            Self::Boxed => "isolation.boxed",
            Self::Sealed => "isolation.sealed",
            Self::OwnNetwork => "namespace.network",
            Self::AllowList => "egress.allow-list",
            Self::LimitMemory => "limit.memory",
            Self::LimitPids => "limit.pids",
            Self::LimitIo => "limit.io",
            Self::Cpuset => "cpuset",
            Self::Container => "container",
            Self::ContainerAllowList => "container.allow-list",
            Self::ContainerLimitIo => "container.limit.io",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JobSpec {
    /// How far its tasks are kept apart at the least, by what it reaches of the network, too.
    ///
    /// A network of its own holds nobody who is outside of a box: who may be root leaves it for that of the node,
    /// and sockets of the node's files are reached from everywhere. A container is such a box, but one that reaches
    /// named places has no capabilities in there.
    pub fn level(&self) -> Isolation {
        let least = match &self.egress {
            Some(Egress::Only(_)) => Isolation::Boxed,
            Some(Egress::None) if self.image.is_empty() => Isolation::Boxed,
            Some(Egress::None | Egress::Open) | None => Isolation::Bare,
        };
        self.isolation.max(least)
    }

    /// What a node must be able to do for its tasks, ascending, none twice; most jobs need nothing.
    ///
    /// Who declares its memory, be it in an alternative only, goes where that is its limit, on each level: on a node that could not hold it to its word
    /// it would take from its neighbours what they were promised.
    pub fn abilities(&self) -> Vec<Ability> {
        let level = self.level();
        let is_listed = matches!(self.egress, Some(Egress::Only(_)));
        let mut choices = std::iter::once(&self.resources).chain(&self.alternatives);
        let declares_memory = choices.any(|amounts| amounts.memory > Bytes::default());
        let needs = [
            (level == Isolation::Bare && self.project_user, Ability::Bare),
            (level == Isolation::Boxed, Ability::Boxed),
            (level == Isolation::Sealed, Ability::Sealed),
            (self.egress == Some(Egress::None), Ability::OwnNetwork),
            (is_listed, Ability::AllowList),
            (declares_memory, Ability::LimitMemory),
            (self.pids.is_some(), Ability::LimitPids),
            (self.io_weight.is_some(), Ability::LimitIo),
            (self.pin_cpus, Ability::Cpuset),
            (!self.image.is_empty(), Ability::Container),
            (!self.image.is_empty() && is_listed, Ability::ContainerAllowList),
            (!self.image.is_empty() && self.io_weight.is_some(), Ability::ContainerLimitIo),
        ];
        needs.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, ability)| ability).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resources;

    #[test]
    fn a_place_is_one_host_and_one_port() {
        for place in ["example.org:443", "10.0.0.1:1", "[2001:db8::1]:80", "db_1:5432", "a.:9"] {
            assert!(is_place(place), "{place}");
        }
        for wrong in [
            "",
            "a",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "a b:1",
            "a\n10.0.0.1 b:1",
            "#:1",
            "::1:80",
            "[a]:1",
            "[::1:1",
            "*:1",
            "10.0.0.0/8:1",
        ] {
            assert!(!is_place(wrong), "{wrong}");
        }
    }

    #[test]
    fn who_does_not_reach_all_of_the_network_is_in_a_box() {
        let level = |isolation, egress, image: &str| {
            JobSpec { isolation, egress, image: image.into(), ..JobSpec::default() }.level()
        };
        let only = Some(Egress::Only(vec!["a:1".into()]));

        for egress in [None, Some(Egress::Open)] {
            assert_eq!(level(Isolation::Bare, egress, ""), Isolation::Bare);
        }
        assert_eq!(level(Isolation::Bare, Some(Egress::None), ""), Isolation::Boxed);
        assert_eq!(level(Isolation::Bare, Some(Egress::None), "x"), Isolation::Bare);
        assert_eq!(level(Isolation::Bare, only.clone(), ""), Isolation::Boxed);
        assert_eq!(level(Isolation::Bare, only.clone(), "x"), Isolation::Boxed);
        assert_eq!(level(Isolation::Sealed, only, ""), Isolation::Sealed);
        assert_eq!(level(Isolation::Sealed, Some(Egress::None), ""), Isolation::Sealed);
    }

    #[test]
    fn a_job_needs_what_its_level_its_egress_and_its_limits_take() {
        let names =
            |spec: JobSpec| spec.abilities().into_iter().map(Ability::as_str).collect::<Vec<_>>();
        let memory = Resources { memory: Bytes::from_mib(1), ..Resources::default() };
        let sealed = JobSpec {
            isolation: Isolation::Sealed,
            egress: Some(Egress::None),
            resources: memory.clone(),
            ..JobSpec::default()
        };

        assert_eq!(names(JobSpec::default()), Vec::<&str>::new());
        let other = JobSpec { alternatives: vec![memory.clone()], ..JobSpec::default() };
        assert_eq!(names(other), ["limit.memory"]);
        assert_eq!(names(JobSpec { resources: memory, ..JobSpec::default() }), ["limit.memory"]);
        assert_eq!(names(sealed), ["isolation.sealed", "namespace.network", "limit.memory"]);
        let only = JobSpec { egress: Some(Egress::Only(vec![])), ..JobSpec::default() };
        assert_eq!(names(only.clone()), ["isolation.boxed", "egress.allow-list"]);
        let inside = JobSpec { image: "x".into(), ..only };
        assert_eq!(
            names(inside),
            ["isolation.boxed", "egress.allow-list", "container", "container.allow-list"]
        );
        let limited =
            JobSpec { pids: Some(9), pin_cpus: true, image: "x".into(), ..JobSpec::default() };
        assert_eq!(names(limited), ["limit.pids", "cpuset", "container"]);
        let weighed = JobSpec { io_weight: Some(1), ..JobSpec::default() };
        assert_eq!(names(weighed.clone()), ["limit.io"]);
        let inside = JobSpec { image: "x".into(), ..weighed };
        assert_eq!(names(inside), ["limit.io", "container", "container.limit.io"]);
        let own = |isolation| JobSpec { project_user: true, isolation, ..JobSpec::default() };
        assert_eq!(names(own(Isolation::Bare)), ["isolation.bare"]);
        assert_eq!(names(own(Isolation::Boxed)), ["isolation.boxed"]);
    }
}
