//! The part of the control groups that is this agent's: found or made at its start, swept of what an
//! earlier one has left, and removed at its end.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::gate::Gate;
use super::mounts::{Hierarchy, Mounts};
use super::pool::Pool;
use super::v1::Roots;
use super::{Controllers, Error, Group, Limits, file, v1, v2};
use crate::sandbox::devices::Number;

/// How often a group that was killed is looked at before it counts as one that does not end.
///
/// Each look gives the processor away, so this is a matter of some seconds on a busy machine.
const LOOKS: u32 = 200_000;

/// Where the agent itself goes, if it has to make room for its tasks.
const ASIDE: &str = "repower-agent";

/// The agent's part of the control groups.
#[derive(Debug)]
pub(crate) struct Tree {
    roots: Root,
    gate: Gate,
    pool: Mutex<Pool>,
}

/// Where groups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    V1(Roots),
    V2 { path: PathBuf, has: Controllers },
}

impl Tree {
    /// A tree of this name, below this process's own group or, if the agent may not make one there,
    /// at the root of what is mounted. What is left in it of an earlier agent is killed and removed.
    ///
    /// # Errors
    ///
    /// [`Error::Nothing`] if no hierarchy lets the agent make a group that limits anything; else what
    /// keeps old groups from being removed.
    pub(crate) fn plant(name: &str) -> Result<Self, Error> {
        Self::plant_in(&Mounts::look(), name)
    }

    /// A tree of this name that is at the same place in all hierarchies, which container engines need.
    ///
    /// # Errors
    ///
    /// As [`Tree::plant`].
    pub(crate) fn plant_evenly(name: &str) -> Result<Self, Error> {
        let mounts = Mounts::look();
        let own = |mounts: &Mounts| {
            let all = ["memory", "pids", "cpu"].into_iter().filter_map(|one| mounts.v1(one));
            let below = |one: Hierarchy| one.own.strip_prefix(&one.mount).map(Path::to_owned).ok();
            all.map(below).collect::<Vec<_>>()
        };
        let own = own(&mounts);
        let is_even = own.windows(2).all(|pair| pair[0] == pair[1]);
        Self::plant_in(&if is_even { mounts } else { mounts.at_the_top() }, name)
    }

    fn plant_in(mounts: &Mounts, name: &str) -> Result<Self, Error> {
        let v2 = mounts.v2().and_then(|hierarchy| root_v2(&hierarchy, name));
        let roots = match v2 {
            Some((path, has)) if has.memory || has.pids => Root::V2 { path, has },
            left => {
                // Without controllers it is only in the way.
                if let Some((path, _)) = left {
                    file::remove(&path)?;
                }
                Root::V1(Roots {
                    memory: root_v1(mounts, "memory", "memory.limit_in_bytes", name),
                    pids: root_v1(mounts, "pids", "pids.max", name),
                    cpu: root_v1(mounts, "cpu", "cpu.shares", name),
                    io: v1::IO_WEIGHTS
                        .into_iter()
                        .find_map(|(file, ..)| root_v1(mounts, "blkio", file, name)),
                    cpuset: root_of_cpus(mounts, name),
                    devices: root_of_devices(mounts, name),
                })
            }
        };
        if matches!(&roots, Root::V1(roots) if roots.folders().is_empty()) {
            // Which processors a task runs on is no limit of anything, nor is what it may open.
            if let Root::V1(roots) = &roots {
                roots.all().into_iter().try_for_each(|folder| file::remove(folder))?;
            }
            return Err(Error::Nothing);
        }
        let tree = Self { roots, gate: Gate::default(), pool: Mutex::new(Pool::new()) };
        tree.sweep()?;
        Ok(tree)
    }

    /// What its groups can limit.
    pub(crate) fn controllers(&self) -> Controllers {
        match &self.roots {
            Root::V1(roots) => roots.controllers(),
            Root::V2 { has, .. } => *has,
        }
    }

    /// The processors on which its groups may run, as the kernel lists them; `None`: they cannot be pinned.
    pub(crate) fn cpus(&self) -> Option<String> {
        let path = match &self.roots {
            Root::V1(roots) => roots.cpuset.as_ref()?.join(v1::CPUS),
            Root::V2 { path, has } if has.cpuset => path.join("cpuset.cpus.effective"),
            Root::V2 { .. } => return None,
        };
        file::read(&path).ok()
    }

    /// Of control groups, 1 or 2.
    pub(crate) fn version(&self) -> u8 {
        match self.roots {
            Root::V1(_) => 1,
            Root::V2 { .. } => 2,
        }
    }

    /// A group for a task, with its limits set; its processes may not use these devices.
    ///
    /// # Errors
    ///
    /// If it cannot be made or limited.
    pub(crate) fn take(&self, limits: Limits, denied: &[Number]) -> Result<Group, Error> {
        let set = |group: &mut Group| {
            group.limit(limits)?;
            group.deny(denied, &self.gate)
        };
        let (spare, name) = {
            let mut pool = self.pool();
            (pool.take(limits), pool.name())
        };
        if let Some(mut group) = spare {
            if set(&mut group).is_ok() {
                return Ok(group);
            }
            // What little is left in it may be more than the new limit.
            group.remove()?;
        }
        let mut group = self.make(&name)?;
        match set(&mut group) {
            Ok(()) => Ok(group),
            Err(error) => {
                group.remove()?;
                Err(error)
            }
        }
    }

    /// Takes back the group of a task that is over, and kills what is left in it.
    ///
    /// # Errors
    ///
    /// If what is in it does not end or it cannot be removed.
    pub(crate) fn give_back(&self, mut group: Group) -> Result<(), Error> {
        self.wait_until_empty(&group)?;
        if self.version() == 2 {
            return self.exchange(group);
        }
        if !group.refresh() {
            return group.remove();
        }
        let extra = self.pool().keep(group);
        extra.map_or(Ok(()), Group::remove)
    }

    /// Removes the group of a task that is over, and kills what is left in it.
    ///
    /// # Errors
    ///
    /// If what is in it does not end or it cannot be removed.
    pub(crate) fn remove(&self, group: Group) -> Result<(), Error> {
        self.wait_until_empty(&group)?;
        group.remove()
    }

    /// Makes one for later, so that the next launch does not have to.
    fn exchange(&self, used: Group) -> Result<(), Error> {
        used.remove()?;
        let name = self.pool().name();
        let fresh = self.make(&name)?;
        self.pool().keep(fresh).map_or(Ok(()), Group::remove)
    }

    fn make(&self, name: &str) -> Result<Group, Error> {
        match &self.roots {
            Root::V1(roots) => v1::Group::make(roots, name).map(|group| Group::V1(Box::new(group))),
            Root::V2 { path, has } => v2::Group::make(path, *has, name).map(Group::V2),
        }
    }

    fn wait_until_empty(&self, group: &Group) -> Result<(), Error> {
        for _ in 0..LOOKS {
            if group.kill()? {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(Error::Immortal { path: self.path() })
    }

    /// Where it is below the mounts of its hierarchies, if that is the same for all.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        let path = self.path();
        let mounts = Mounts::look().all();
        let mount = mounts.iter().find(|mount| path.starts_with(mount))?;
        Some(Path::new("/").join(path.strip_prefix(mount).ok()?))
    }

    /// The processor time of all that is or was in groups at or below a place, in microseconds, where it is counted for
    /// groups that an engine has made (version 1).
    pub(crate) fn cpu_us(place: &Path) -> Option<u64> {
        let mount = Mounts::look().v1("cpuacct")?.mount;
        let folder = mount.join(place.strip_prefix("/").unwrap_or(place));
        file::number(&folder.join("cpuacct.usage")).map(|nanos| nanos / 1000)
    }

    /// Removes what engines have made for a group, or for all of the tree, in hierarchies of which it has no part:
    /// `place` is where it is below their mounts.
    pub(crate) fn tidy(place: &Path) {
        let place = place.strip_prefix("/").unwrap_or(place);
        if place.as_os_str().is_empty() {
            return;
        }
        for mount in Mounts::look().all() {
            // What still has processes stays, and belongs to somebody.
            file::discard(&mount.join(place));
        }
    }

    fn path(&self) -> PathBuf {
        match &self.roots {
            Root::V1(roots) => {
                roots.folders().first().map(|path| (*path).clone()).unwrap_or_default()
            }
            Root::V2 { path, .. } => path.clone(),
        }
    }

    /// Kills and removes all groups in it.
    fn sweep(&self) -> Result<(), Error> {
        let folders = match &self.roots {
            Root::V1(roots) => roots.all().into_iter().cloned().collect(),
            Root::V2 { path, .. } => vec![path.clone()],
        };
        let mut names: Vec<_> = folders
            .iter()
            .flat_map(|folder| file::folders(folder))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        for name in names {
            let mut group = self.make(&name)?;
            group.nest();
            self.wait_until_empty(&group)?;
            group.remove()?;
        }
        Ok(())
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tree {
    /// Kills and removes whatever is in the tree, and the tree.
    fn drop(&mut self) {
        for group in self.pool().drain() {
            if let Err(error) = group.remove() {
                tracing::warn!(%error, "cannot remove a control group");
            }
        }
        // Of those that tasks still have.
        if let Err(error) = self.sweep() {
            tracing::warn!(%error, "cannot remove the control group of a task");
        }
        let folders = match &self.roots {
            Root::V1(roots) => roots.all().into_iter().cloned().collect(),
            Root::V2 { path, .. } => vec![path.clone()],
        };
        for folder in folders {
            if let Err(error) = file::remove(&folder) {
                tracing::warn!(%error, "cannot remove the control group of all tasks");
            }
        }
    }
}

/// Makes the folder of the tree in one hierarchy of version 1, if that is allowed and works.
fn root_v1(mounts: &Mounts, controller: &str, proof: &str, name: &str) -> Option<PathBuf> {
    let Hierarchy { mount, own } = mounts.v1(controller)?;
    [own, mount].into_iter().find_map(|place| {
        let path = place.join(name);
        file::make(&path).ok()?;
        // It may be made, but not have the file, or not be written to.
        let file = path.join(proof);
        let is_ours = file::read(&file).and_then(|now| file::write(&file, &now)).is_ok();
        if !is_ours {
            file::discard(&path);
        }
        is_ours.then_some(path)
    })
}

/// The same in the hierarchy of processors, where a new group has none, and no memory, until it is given some.
fn root_of_cpus(mounts: &Mounts, name: &str) -> Option<PathBuf> {
    let path = root_v1(mounts, "cpuset", v1::CPUS, name)?;
    let above = path.parent()?;
    let given = [v1::CPUS, v1::MEMS].into_iter().try_for_each(|part| {
        let all = file::read(&above.join(part))?;
        file::write(&path.join(part), &all)
    });
    let has_any = file::read(&path.join(v1::CPUS)).is_ok_and(|all| !all.is_empty());
    if given.is_err() || !has_any {
        file::discard(&path);
        return None;
    }
    Some(path)
}

/// The same in the hierarchy of devices, if the agent itself is in a group that may use all that it does not name.
/// Where a group may use what it names and nothing else, one that names many at once denies none of them.
fn root_of_devices(mounts: &Mounts, name: &str) -> Option<PathBuf> {
    let Hierarchy { mount, own } = mounts.v1("devices")?;
    [own, mount].into_iter().find_map(|place| {
        let path = place.join(name);
        file::make(&path).ok()?;
        let names_few = file::read(&path.join("devices.list")).is_ok_and(|all| all == "a *:* rwm");
        let is_ours = names_few && path.join(v1::DENY).exists();
        if !is_ours {
            file::discard(&path);
        }
        is_ours.then_some(path)
    })
}

/// Makes the folder of the tree in the hierarchy of version 2, with all controllers that can be had.
fn root_v2(hierarchy: &Hierarchy, name: &str) -> Option<(PathBuf, Controllers)> {
    let Hierarchy { mount, own } = hierarchy;
    // An agent that has stepped aside before is one folder below where its tasks belong.
    let own = own.parent().filter(|_| own.ends_with(ASIDE)).unwrap_or(own.as_path());
    [own, mount.as_path()].into_iter().find_map(|place| {
        let path = place.join(name);
        file::make(&path).ok()?;
        enable(place);
        enable(&path);
        let has = file::read(&path.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |controller: &str| has.split_whitespace().any(|word| word == controller);
        let has = Controllers {
            memory: has("memory"),
            pids: has("pids"),
            cpu: has("cpu"),
            io: has("io") && v2::io_weight(&path).is_some(),
            cpuset: has("cpuset"),
            // Not by a controller: whether the kernel takes a program is found out by one.
            devices: true,
        };
        if !has.memory && !has.pids && place != mount.as_path() {
            file::discard(&path);
            return None;
        }
        Some((path, has))
    })
}

/// Passes every controller on to the groups below `folder`, one by one: some may not be had.
///
/// A group other than the root that passes controllers on has no processes itself. If nobody but the
/// agent is in it, the agent moves into a group beside its tasks'.
fn enable(folder: &Path) {
    let control = folder.join("cgroup.subtree_control");
    let all = file::read(&folder.join("cgroup.controllers")).unwrap_or_default();
    let has = file::read(&control).unwrap_or_default();
    let wanted: Vec<_> = ["memory", "pids", "cpu", "io", "cpuset"]
        .into_iter()
        .filter(|word| all.split_whitespace().any(|one| one == *word))
        .filter(|word| has.split_whitespace().all(|one| one != *word))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let pass_on = |word: &&str| file::write(&control, &format!("+{word}")).is_ok();
    if wanted.iter().filter(|word| pass_on(word)).count() > 0 || !step_aside(folder) {
        return;
    }
    for word in &wanted {
        // What cannot be had is found out from what the file says afterwards.
        let _ = pass_on(word);
    }
}

/// Moves the agent's own processes from `folder` into one below it, if they are alone there.
fn step_aside(folder: &Path) -> bool {
    let own = [
        i32::try_from(std::process::id()).unwrap_or(0),
        rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get()),
    ];
    let here = file::pids(&folder.join("cgroup.procs")).unwrap_or_default();
    if here.is_empty() || here.iter().any(|pid| !own.contains(pid)) {
        return false;
    }
    let aside = folder.join(ASIDE);
    let door = aside.join("cgroup.procs");
    file::make(&aside).is_ok()
        && here.iter().all(|pid| file::write(&door, &pid.to_string()).is_ok())
}
