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
    /// Container images.
    Container,
}

impl Ability {
    /// The name, as inventories list it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boxed => "isolation.boxed",
            Self::Sealed => "isolation.sealed",
            Self::OwnNetwork => "namespace.network",
            Self::AllowList => "egress.allow-list",
            Self::LimitMemory => "limit.memory",
            Self::LimitPids => "limit.pids",
            Self::Container => "container",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JobSpec {
    /// What a node must be able to do for its tasks, ascending, none twice; most jobs need nothing.
    ///
    /// On [`Isolation::Bare`] memory is limited where a node can do it, so it is not asked for.
    pub fn abilities(&self) -> Vec<Ability> {
        let is_boxed = self.isolation >= Isolation::Boxed;
        let needs = [
            (self.isolation == Isolation::Boxed, Ability::Boxed),
            (self.isolation == Isolation::Sealed, Ability::Sealed),
            (self.egress == Some(Egress::None), Ability::OwnNetwork),
            (matches!(self.egress, Some(Egress::Only(_))), Ability::AllowList),
            (is_boxed && self.resources.memory > Bytes::default(), Ability::LimitMemory),
            (self.pids.is_some(), Ability::LimitPids),
            (!self.image.is_empty(), Ability::Container),
        ];
        needs.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, ability)| ability).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resources;

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

        assert_eq!(names(JobSpec { resources: memory, ..JobSpec::default() }), Vec::<&str>::new());
        assert_eq!(names(sealed), ["isolation.sealed", "namespace.network", "limit.memory"]);
        let only = JobSpec { egress: Some(Egress::Only(vec![])), ..JobSpec::default() };
        assert_eq!(names(only), ["egress.allow-list"]);
        let limited = JobSpec { pids: Some(9), image: "x".into(), ..JobSpec::default() };
        assert_eq!(names(limited), ["limit.pids", "container"]);
    }
}
