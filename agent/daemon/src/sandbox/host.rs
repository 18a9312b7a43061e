//! What this host can do for tasks, and the parts that all launches share.

mod trials;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::abilities::{self, Abilities, name};
use super::cgroup::{self, Limits, Tree};
use super::devices::{Devices, File as Device, Found, Number};
use super::landlock::{Access, Landlock};
use super::processors::{Pinned, Processors, Scarce};
use super::reach::{Reach, Unreachable};
use super::seccomp::Filter;
use super::spawn::{Confinement, Failure, Launcher, Namespaces, Program};
use super::users::{self, User, Users};
use super::view::{Builder, System, Unusable, View};

/// What all launches on this host share.
#[derive(Debug)]
pub(crate) struct Host {
    launcher: Launcher,
    pub(super) tree: Option<Tree>,
    /// Those that tasks can have to themselves.
    pub(super) processors: Processors,
    filter: Filter,
    landlock: Option<Landlock>,
    users: Users,
    /// The device files of GPUs.
    devices: Devices,
    /// The agent's own folder, below which tasks have theirs.
    data: PathBuf,
    /// Where the list of hosts is while it is tried whether a task can have one.
    hosts: PathBuf,
    system: System,
    /// The view of the system, to which each task's own folders are added.
    view: Builder,
    abilities: Abilities,
}

/// What is asked of a box.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) limits: Limits,
    /// Namespaces, a view of its own and filters.
    pub(crate) boxed: bool,
    /// A network with nobody else in it.
    pub(crate) own_network: bool,
    /// A network that reaches these places only, for a box; and where the list of them is written.
    pub(crate) reaches: Option<(&'a [String], &'a Path)>,
    /// On how many processors it runs that no other task has that asks for it; 0: wherever there is room.
    pub(crate) pins: usize,
    /// The GPUs that it has, by their numbers.
    pub(crate) gpus: &'a [u64],
    /// Whose user the task is; `None`: the agent's own.
    pub(crate) project: Option<&'a str>,
    /// What it may see of the files besides the system.
    pub(crate) sees: &'a [(&'a Path, Access)],
}

/// A box that is ready for one task.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) group: Option<cgroup::Group>,
    pub(crate) user: Option<User>,
    /// Groups of users that it is in besides, so that it may use its devices.
    groups: Vec<u32>,
    view: Option<View>,
    namespaces: Namespaces,
    /// The network that reaches named places only.
    pub(crate) reach: Option<Reach>,
    /// Processors that it has to itself.
    pub(crate) pinned: Option<Pinned>,
}

impl Prepared {
    /// Whether it has namespaces of its own, and filters.
    pub(crate) const fn is_boxed(&self) -> bool {
        self.view.is_some()
    }

    /// Which part of a step failed, for people.
    pub(crate) fn part(&self, failure: Failure) -> String {
        let view = self.view.as_ref().filter(|_| failure.step == super::spawn::Step::View);
        view.map(|view| format!(" ({})", view.describe(failure.detail))).unwrap_or_default()
    }
}

/// Why there is no box for a task on this host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "this node cannot isolate a task as asked (it lacks {ability}): let the job run elsewhere, or ask for less"
    )]
    Lacks { ability: &'static str },
    #[error("the folder {} cannot be made ready for tasks: check the agent's data folder", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the launcher of tasks cannot be set up")]
    Launcher { source: io::Error },
    #[error("a control group cannot be had")]
    Group {
        #[from]
        source: cgroup::Error,
    },
    #[error("a project has no user")]
    User {
        #[from]
        source: users::Error,
    },
    #[error(transparent)]
    Scarce {
        #[from]
        source: Scarce,
    },
    #[error("there is no network that reaches only what the job names")]
    Reach {
        #[from]
        source: Unreachable,
    },
    #[error("a view of the files cannot be made")]
    View {
        #[from]
        source: Unusable,
    },
}

impl Host {
    /// Tries what this host can do. `data` is the agent's own folder; `name` that of its part of the
    /// control groups, by which a later agent of the same data finds what this one has left.
    ///
    /// # Errors
    ///
    /// If the data folder cannot be used, or the kernel is too old to launch tasks this way at all.
    pub(crate) fn new(data: &Path, name: &str) -> Result<Self, Error> {
        Self::with_devices(data, name, Devices::look(Path::new("/")))
    }

    /// The same with the device files of another host.
    ///
    /// # Errors
    ///
    /// As [`Host::new`].
    pub(super) fn with_devices(data: &Path, name: &str, devices: Devices) -> Result<Self, Error> {
        let root = data.join("box");
        let made = match DirBuilder::new().mode(0o700).create(&root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        made.map_err(|source| Error::Folder { path: root.clone(), source })?;
        let is_privileged = rustix::process::geteuid().is_root();
        if is_privileged {
            // Tasks of other users come through it to their own folders.
            let passed = crate::folder::let_through(data);
            passed.map_err(|source| Error::Folder { path: data.to_owned(), source })?;
        }
        let tree = Tree::plant(name);
        if let Err(error) = &tree {
            tracing::warn!(%error, "tasks are not limited by control groups");
        }
        let cpus = tree.as_ref().ok().and_then(Tree::cpus);
        let system = System::look(is_privileged);
        let view = Builder::new(&root, &system, data)?;
        let mut host = Self {
            launcher: Launcher::new().map_err(|source| Error::Launcher { source })?,
            processors: Processors::look(cpus.as_deref()),
            tree: tree.ok(),
            filter: Filter::new(),
            landlock: Landlock::detect(),
            users: Users::open(&data.join("users"))?,
            devices,
            data: data.to_owned(),
            hosts: data.join(format!("{name}.hosts")),
            system,
            view,
            abilities: Abilities::new(),
        };
        host.abilities = abilities::of(&host);
        Ok(host)
    }

    /// A view of the system alone.
    pub(super) fn bare_view(&self) -> Result<View, Unusable> {
        self.view(&[], None, &[])
    }

    pub(super) const fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    pub(super) const fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) const fn landlock(&self) -> Option<Landlock> {
        self.landlock
    }

    /// A group with limits.
    pub(super) fn group(&self, limits: Limits) -> io::Result<cgroup::Group> {
        let tree = self.tree.as_ref().ok_or(cgroup::Error::Nothing).map_err(io::Error::other)?;
        tree.take(limits, &[]).map_err(io::Error::other)
    }

    /// Takes a group back, to be used again.
    pub(super) fn return_group(&self, group: cgroup::Group) -> Result<(), cgroup::Error> {
        self.tree.as_ref().map_or(Ok(()), |tree| tree.give_back(group))
    }

    /// Takes a group back, to be used never again.
    pub(super) fn remove(&self, group: cgroup::Group) -> Result<(), cgroup::Error> {
        self.tree.as_ref().map_or(Ok(()), |tree| tree.remove(group))
    }

    /// What it can do.
    pub(crate) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    pub(crate) fn is_privileged(&self) -> bool {
        self.system.is_privileged
    }

    /// Whether all of a group is in one place: version 2.
    pub(crate) fn has_one_hierarchy(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.version() == 2)
    }

    /// Whether what containers use of the disks can be weighed: engines put them into one hierarchy.
    pub(crate) fn weighs_containers(&self) -> bool {
        self.has_one_hierarchy() && self.abilities.contains(name::LIMIT_IO)
    }

    /// Whether the processes of a task can have a limit.
    pub(crate) fn limits_pids(&self) -> bool {
        self.abilities.contains(name::LIMIT_PIDS)
    }

    /// Whether a folder of the host is seen from every box.
    pub(crate) fn shows(&self, path: &Path) -> bool {
        self.system.has(path) || path.starts_with("/tmp")
    }

    pub(super) fn has_scopes(&self) -> bool {
        self.landlock.is_some_and(Landlock::has_scopes)
    }

    /// A box for one task.
    ///
    /// # Errors
    ///
    /// What this host lacks for it, or what went wrong.
    pub(crate) fn prepare(&self, wanted: &Wanted<'_>) -> Result<Prepared, Error> {
        self.check(wanted)?;
        let user = wanted.project.map(|project| self.users.of(project)).transpose()?;
        let reach = wanted.reaches.map(|(places, hosts)| self.reach(places, hosts)).transpose()?;
        let hosts = reach.as_ref().map(Reach::hosts);
        let found = self.devices.now();
        let denied = self.denied(found.as_deref(), wanted.gpus);
        let given = found.as_deref().map(|found| found.files(wanted.gpus)).unwrap_or_default();
        let view = wanted.boxed.then(|| self.view(wanted.sees, hosts, &given)).transpose()?;
        // A box has files of its own, which its user may use.
        let groups = found.filter(|_| user.is_some() && !wanted.boxed);
        let groups = groups.map(|found| found.groups(wanted.gpus)).unwrap_or_default();
        let namespaces = self.namespaces(wanted.boxed, wanted.own_network);
        let pinned = self.pin(wanted.pins)?;
        let is_held = wanted.limits != Limits::default() || pinned.is_some();
        let has_group = is_held || !denied.is_empty();
        let tree = self.tree.as_ref().filter(|_| has_group);
        let mut group = tree.map(|tree| tree.take(wanted.limits, &denied)).transpose()?;
        if let (Some(pinned), Some(one)) = (&pinned, &mut group)
            && let Err(error) = one.pin(&pinned.list())
        {
            if let (Some(tree), Some(group)) = (&self.tree, group.take()) {
                tree.remove(group)?;
            }
            return Err(error.into());
        }
        Ok(Prepared { group, user, groups, view, namespaces, reach, pinned })
    }

    /// So many processors that no other pinned task has; `None`: none were asked for.
    ///
    /// # Errors
    ///
    /// That this host cannot pin tasks, or has too few that are free.
    pub(crate) fn pin(&self, count: usize) -> Result<Option<Pinned>, Error> {
        if count == 0 {
            return Ok(None);
        }
        if !self.abilities.contains(name::CPUSET) {
            return Err(Error::Lacks { ability: name::CPUSET });
        }
        Ok(Some(self.processors.take(count)?))
    }

    /// The GPUs that there are just now, with their files; `None`: there are no files.
    pub(crate) fn gpus(&self) -> Option<Arc<Found>> {
        self.devices.again()
    }

    /// Whether tasks are kept from devices wherever the files of those are.
    pub(crate) fn denies_devices(&self) -> bool {
        self.abilities.contains(name::DEVICES)
    }

    /// The devices that a task with these GPUs must not use, as far as this host can keep it from them.
    fn denied(&self, found: Option<&Found>, gpus: &[u64]) -> Vec<Number> {
        let found = found.filter(|_| self.denies_devices());
        found.map(|found| found.denied(gpus)).unwrap_or_default()
    }

    /// A network that reaches named places only, the list of which is written to `hosts`.
    ///
    /// # Errors
    ///
    /// That this host cannot make one, or what is wrong with a place.
    pub(crate) fn reach(&self, places: &[String], hosts: &Path) -> Result<Reach, Error> {
        if !self.abilities.contains(name::ALLOW_LIST) {
            return Err(Error::Lacks { ability: name::ALLOW_LIST });
        }
        Ok(Reach::open(places, hosts)?)
    }

    /// What a box asks for that this host cannot do.
    fn check(&self, wanted: &Wanted<'_>) -> Result<(), Error> {
        let needs = [
            (wanted.project.is_some() && !wanted.boxed, name::BARE),
            (wanted.boxed && !wanted.own_network, name::BOXED),
            (wanted.boxed && wanted.own_network, name::SEALED),
            (wanted.own_network, name::NETWORK),
            (wanted.limits.memory.is_some(), name::LIMIT_MEMORY),
            (wanted.limits.pids.is_some(), name::LIMIT_PIDS),
            (wanted.limits.io_weight.is_some(), name::LIMIT_IO),
            (wanted.project.is_some(), name::USERS),
        ];
        let lacking = needs
            .into_iter()
            .find(|(is_needed, name)| *is_needed && !self.abilities.contains(name));
        lacking.map_or(Ok(()), |(_, ability)| Err(Error::Lacks { ability }))
    }

    /// What a task sees: the system, these, a list of hosts in the place of the system's, and its devices.
    fn view(
        &self,
        sees: &[(&Path, Access)],
        hosts: Option<&Path>,
        devices: &[&Device],
    ) -> Result<View, Unusable> {
        let mut view = self.view.clone();
        if let Some(hosts) = hosts {
            view.stand_in(hosts, &self.system.hosts)?;
        }
        for (path, access) in sees {
            view.see(path, *access)?;
        }
        for device in devices {
            view.device(device, self.system.is_privileged)?;
        }
        view.finish()
    }

    fn namespaces(&self, boxed: bool, network: bool) -> Namespaces {
        let user = !self.is_privileged() && (boxed || network);
        Namespaces { pid: boxed, mount: boxed, ipc: boxed, network, user }
    }

    /// Starts a task in its box.
    ///
    /// # Errors
    ///
    /// Which step failed, and why; the box is as it was.
    pub(crate) fn start(
        &self,
        program: Program<'_>,
        prepared: &Prepared,
    ) -> Result<super::spawn::Started, Failure> {
        let is_boxed = prepared.view.is_some();
        let confinement = Confinement {
            group: prepared.group.as_ref().map(cgroup::Group::entrance),
            user: prepared.user,
            groups: &prepared.groups,
            namespaces: prepared.namespaces,
            network: prepared.reach.as_ref().map(Reach::namespace),
            view: prepared.view.as_ref(),
            landlock: self.landlock.filter(|_| is_boxed),
            filter: is_boxed.then_some(&self.filter),
            rlimits: &[],
        };
        self.launcher.spawn(program, confinement)
    }

    /// Starts a program of the agent's own, in nothing but a session of its own.
    ///
    /// # Errors
    ///
    /// Which step failed, and why.
    pub(crate) fn start_beside(
        &self,
        program: Program<'_>,
    ) -> Result<super::spawn::Started, Failure> {
        self.launcher.spawn(program, Confinement::default())
    }

    /// The user of a project.
    ///
    /// # Errors
    ///
    /// If it has none and none can be given to it.
    pub(crate) fn user_of(&self, project: &str) -> Result<User, Error> {
        Ok(self.users.of(project)?)
    }

    /// Takes a box back when its task is over, and kills what is left in its group.
    ///
    /// # Errors
    ///
    /// If something in it does not end.
    pub(crate) fn give_back(&self, prepared: Prepared) -> Result<(), cgroup::Error> {
        match (&self.tree, prepared.group) {
            (Some(tree), Some(group)) => tree.give_back(group),
            (_, None) | (None, _) => Ok(()),
        }
    }
}
