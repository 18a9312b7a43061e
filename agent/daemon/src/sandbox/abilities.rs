//! What this host can do for tasks, found out by trying it.
//!
//! Never by the kernel's version: what a kernel can do and what an agent in its place may do are two
//! things, and distributions carry changes back and switch parts off.

use std::collections::BTreeSet;

use super::host::Host;

/// The names of abilities, as a node publishes them and jobs are matched on.
pub(crate) mod name {
    pub(crate) const CGROUP_V1: &str = "cgroup.v1";
    pub(crate) const CGROUP_V2: &str = "cgroup.v2";
    pub(crate) const LIMIT_MEMORY: &str = "limit.memory";
    pub(crate) const LIMIT_PIDS: &str = "limit.pids";
    pub(crate) const LIMIT_CPU: &str = "limit.cpu";
    pub(crate) const LIMIT_IO: &str = "limit.io";
    pub(crate) const CPUSET: &str = "cpuset";
    pub(crate) const PID: &str = "namespace.pid";
    pub(crate) const MOUNT: &str = "namespace.mount";
    pub(crate) const IPC: &str = "namespace.ipc";
    pub(crate) const NETWORK: &str = "namespace.network";
    pub(crate) const USER: &str = "namespace.user";
    pub(crate) const SECCOMP: &str = "seccomp";
    pub(crate) const LANDLOCK: &str = "landlock";
    pub(crate) const SCOPES: &str = "landlock.scopes";
    pub(crate) const USERS: &str = "users";
    pub(crate) const DEVICES: &str = "devices";
    pub(crate) const ALLOW_LIST: &str = "egress.allow-list";
    /// Everything that the levels of these names need, tried together; on the first for who is not to be root.
    pub(crate) const BARE: &str = "isolation.bare";
    pub(crate) const BOXED: &str = "isolation.boxed";
    pub(crate) const SEALED: &str = "isolation.sealed";
}

/// The names of what a host can do.
pub(crate) type Abilities = BTreeSet<&'static str>;

/// Tries everything on a host.
pub(super) fn of(host: &Host) -> Abilities {
    let mut able = Abilities::new();
    let mut add = |name, is_able: bool| {
        if is_able {
            able.insert(name);
        }
    };
    if let Some(tree) = &host.tree {
        let has = tree.controllers();
        add(name::CGROUP_V1, tree.version() == 1);
        add(name::CGROUP_V2, tree.version() == 2);
        add(name::LIMIT_MEMORY, has.memory);
        add(name::LIMIT_PIDS, has.pids);
        add(name::LIMIT_CPU, has.cpu);
        add(name::LIMIT_IO, has.io);
        add(name::CPUSET, has.cpuset && !host.processors.is_empty());
    }
    let trials = host.trials();
    for (name, trial) in trials {
        match trial {
            Ok(()) => add(name, true),
            Err(error) => tracing::info!(ability = name, %error, "this host lacks an ability"),
        }
    }
    add(name::SCOPES, host.has_scopes());
    add(name::USERS, host.is_privileged());
    able
}
