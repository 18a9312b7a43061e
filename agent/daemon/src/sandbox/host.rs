//! What this host can do for tasks, and the parts that all launches share.

use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{WaitOptions, waitpid};

use super::abilities::{self, Abilities, name};
use super::cgroup::{self, Limits, Tree};
use super::landlock::{Access, Landlock};
use super::processors::{Pinned, Processors, Scarce};
use super::reach::{Reach, Unreachable};
use super::seccomp::Filter;
use super::spawn::{Confinement, Failure, Launcher, Namespaces, Program};
use super::strings::Strings;
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
        self.view(&[], None)
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
        tree.take(limits).map_err(io::Error::other)
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
        let view = wanted.boxed.then(|| self.view(wanted.sees, hosts)).transpose()?;
        let namespaces = self.namespaces(wanted.boxed, wanted.own_network);
        let pinned = self.pin(wanted.pins)?;
        let has_group = wanted.limits != Limits::default() || pinned.is_some();
        let tree = self.tree.as_ref().filter(|_| has_group);
        let mut group = tree.map(|tree| tree.take(wanted.limits)).transpose()?;
        if let (Some(pinned), Some(one)) = (&pinned, &mut group)
            && let Err(error) = one.pin(&pinned.list())
        {
            if let (Some(tree), Some(group)) = (&self.tree, group.take()) {
                tree.remove(group)?;
            }
            return Err(error.into());
        }
        Ok(Prepared { group, user, view, namespaces, reach, pinned })
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
            (wanted.project.is_some(), name::USERS),
        ];
        let lacking = needs
            .into_iter()
            .find(|(is_needed, name)| *is_needed && !self.abilities.contains(name));
        lacking.map_or(Ok(()), |(_, ability)| Err(Error::Lacks { ability }))
    }

    /// What a task sees: the system, these, and a list of hosts in the place of the system's.
    fn view(&self, sees: &[(&Path, Access)], hosts: Option<&Path>) -> Result<View, Unusable> {
        let mut view = self.view.clone();
        if let Some(hosts) = hosts {
            view.stand_in(hosts, &self.system.hosts)?;
        }
        for (path, access) in sees {
            view.see(path, *access)?;
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

    /// Starts a process in each kind of confinement, and says which of them worked.
    pub(super) fn trials(&self) -> Vec<(&'static str, io::Result<()>)> {
        let none = Namespaces { user: !self.is_privileged(), ..Namespaces::default() };
        let plain = |namespaces| Confinement { namespaces, ..Confinement::default() };
        let view = self.view(&[], None).ok();
        let boxed = |network| Confinement {
            namespaces: self.namespaces(true, network),
            view: view.as_ref(),
            landlock: self.landlock,
            filter: Some(&self.filter),
            ..Confinement::default()
        };
        let user = Namespaces { user: true, ..Namespaces::default() };
        let filter = Confinement { filter: Some(&self.filter), ..Confinement::default() };
        let whole = |confinement| match self.landlock {
            Some(_) => self.attempt(confinement),
            None => Err(io::Error::other("the kernel has no Landlock, or it is not switched on")),
        };
        vec![
            (name::USER, self.attempt(plain(user))),
            (name::PID, self.attempt(plain(Namespaces { pid: true, ..none }))),
            (name::MOUNT, self.attempt(plain(Namespaces { mount: true, ..none }))),
            (name::IPC, self.attempt(plain(Namespaces { ipc: true, ..none }))),
            (name::NETWORK, self.attempt(plain(Namespaces { network: true, ..none }))),
            (name::SECCOMP, self.attempt(filter)),
            (name::BARE, self.attempt_unprivileged()),
            (name::LANDLOCK, whole(Confinement::default())),
            (name::BOXED, whole(boxed(false))),
            (name::SEALED, whole(boxed(true))),
            (name::ALLOW_LIST, self.attempt_reach(boxed(false))),
        ]
    }

    /// Starts a process outside of boxes that is not root, in the folder below which it would have its own.
    fn attempt_unprivileged(&self) -> io::Result<()> {
        let user = self.is_privileged().then_some(User::NOBODY);
        let folder = CString::new(self.data.as_os_str().as_bytes())?;
        let tried = self.attempt_in(&folder, Confinement { user, ..Confinement::default() });
        tried.map_err(|error| {
            let folder = self.data.display();
            let text = format!(
                "{error}: let everybody pass through all folders above {folder} (chmod a+x)"
            );
            io::Error::new(error.kind(), text)
        })
    }

    /// Starts a process in a box whose network reaches one place.
    fn attempt_reach(&self, confinement: Confinement<'_>) -> io::Result<()> {
        if !self.is_privileged() {
            let text = "a network that is made beforehand can be entered by root only";
            return Err(io::Error::other(text));
        }
        if self.landlock.is_none() {
            return Err(io::Error::other("there are no boxes"));
        }
        let reach =
            Reach::open(&["127.0.0.1:9".to_owned()], &self.hosts).map_err(io::Error::other)?;
        let view = self.view(&[], Some(reach.hosts())).map_err(io::Error::other)?;
        let network = Some(reach.namespace());
        self.attempt(Confinement { network, view: Some(&view), ..confinement })
    }

    /// Starts and reaps a process that ends at once.
    fn attempt(&self, confinement: Confinement<'_>) -> io::Result<()> {
        self.attempt_in(c"/", confinement)
    }

    fn attempt_in(&self, folder: &CStr, confinement: Confinement<'_>) -> io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let file = self.launcher.trial_program();
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut arguments = Strings::new();
        arguments.push("trial".as_ref())?;
        let program = Program {
            path: &path,
            arguments: &arguments,
            environment: &Strings::new(),
            folder,
            streams: [null.as_fd(); 3],
        };
        let started = self.launcher.spawn(program, confinement).map_err(|failure| {
            let view = confinement.view.filter(|_| failure.step == super::spawn::Step::View);
            let part = view.map(|view| format!(" ({})", view.describe(failure.detail)));
            let (what, why) = (failure.step.what(), failure.error());
            io::Error::other(format!("a task cannot {what}{}: {why}", part.unwrap_or_default()))
        })?;
        let ended = waitpid(Some(started.pid), WaitOptions::empty())?;
        let code = ended.and_then(|(_, status)| status.exit_status());
        // A task that has nothing to wait for says 1; the `init` of one that has ended says 0.
        let expected = i32::from(started.status.is_none());
        if code == Some(expected) {
            return Ok(());
        }
        Err(io::Error::other(format!("a process in it ended with {code:?} instead of {expected}")))
    }
}
