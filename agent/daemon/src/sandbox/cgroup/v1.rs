//! A group in the hierarchies of version 1: one folder for each controller.

mod aside;
mod memory;
mod roots;

use std::cell::Cell;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use repower_model::Bytes;
use rustix::fs::{Mode, OFlags};

use self::aside::{Aside, Denial};
use self::memory::{Memory, set_memory, watch_shortages};
use super::file::Kept;
use super::{Entrance, Error, Figures, Limits, file};
use crate::sandbox::devices::Number;

pub(super) use self::aside::DENY;
pub(crate) use self::roots::Roots;

/// The least weight and that of a whole processor, in the kernel's own measure.
const SHARES: (u64, u64) = (2, 1024);

/// The files that say how much of the disks a group gets, each with the least weight and that of a whole processor: that
/// of the scheduler BFQ, and that of CFQ (before Linux 5.0).
pub(super) const IO_WEIGHTS: [(&str, u64, u64); 2] =
    [("blkio.bfq.weight", 1, 100), ("blkio.weight", 10, 500)];

/// The most that both take.
const IO_MOST: u64 = 1000;

/// The files that say on which processors, and in the memory of which NUMA nodes, the processes of a group run.
pub(super) const CPUS: &str = "cpuset.cpus";
pub(super) const MEMS: &str = "cpuset.mems";

/// Where a process writes to enter a group.
const DOOR: &str = "tasks";

/// A group of one folder for each controller.
#[derive(Debug)]
pub(crate) struct Group {
    memory: Option<Memory>,
    pids: Option<Pids>,
    cpu: Option<PathBuf>,
    io: Option<PathBuf>,
    entrance: Entrance,
    /// Where only processes are limited: entering one hierarchy costs less than entering all.
    narrow: Option<Entrance>,
    /// Its part of the processors' hierarchy, and of that of devices.
    cpuset: Option<Aside>,
    devices: Option<Denial>,
    pub(super) limits: Limits,
    /// What [`Group::kills`] said when the group was given out.
    before: u64,
    /// Whether it was forbidden to start processes, to be killed.
    was_killed: Cell<bool>,
    /// If others may make groups below this one.
    nest: Option<Nest>,
}

/// What a group is watched by that has others below it.
#[derive(Debug)]
struct Nest {
    /// Counts how often there was no memory left: kills are counted in the groups below only, which may be gone.
    shortages: Option<OwnedFd>,
    counted: Cell<u64>,
}

/// The part of a group that limits processes.
#[derive(Debug)]
struct Pids {
    folder: PathBuf,
    /// Counts those that have not been reaped, too.
    current: Kept,
}

impl Group {
    /// A folder that lists its processes.
    pub(super) fn folder(&self) -> Option<&Path> {
        let pids = self.pids.as_ref().map(|pids| pids.folder.as_path());
        let memory = self.memory.as_ref().map(|memory| memory.folder.as_path());
        pids.or(memory).or(self.cpu.as_deref())
    }

    /// Makes one in all hierarchies.
    pub(super) fn make(roots: &Roots, name: &str) -> Result<Self, Error> {
        let below = |root: &Option<PathBuf>| root.as_ref().map(|root| root.join(name));
        let mut doors = Vec::new();
        for root in roots.folders() {
            let folder = root.join(name);
            file::make(&folder)?;
            doors.push(door(&folder)?);
        }
        let narrow = below(&roots.pids).map(|folder| door(&folder)).transpose()?;
        let mut group = Self {
            memory: below(&roots.memory).map(Memory::open).transpose()?,
            pids: below(&roots.pids).map(Pids::open).transpose()?,
            cpu: below(&roots.cpu),
            io: below(&roots.io),
            entrance: Entrance::Write(doors),
            cpuset: roots.cpuset.as_ref().map(|root| Aside::below(root, name)),
            devices: roots.devices.as_ref().map(|root| Denial::below(root, name)),
            narrow: narrow.map(|door| Entrance::Write(vec![door])),
            limits: Limits::default(),
            before: 0,
            was_killed: Cell::new(false),
            nest: None,
        };
        group.before = group.kills();
        Ok(group)
    }

    /// How a new process gets in.
    pub(super) fn entrance(&self) -> &Entrance {
        self.narrow.as_ref().filter(|_| self.is_narrow()).unwrap_or(&self.entrance)
    }

    /// Lets its processes run on these processors only.
    pub(super) fn pin(&mut self, cpus: &str) -> Result<(), Error> {
        let cpuset = self.cpuset.as_mut().ok_or(Error::Nothing)?;
        let (is_new, folder) = (cpuset.pin(cpus)?, cpuset.folder().to_owned());
        if is_new { self.add_door(&folder) } else { Ok(()) }
    }

    /// Denies its processes these devices, and no others.
    pub(super) fn deny(&mut self, denied: &[Number]) -> Result<(), Error> {
        let Some(devices) = &mut self.devices else {
            return if denied.is_empty() { Ok(()) } else { Err(Error::Nothing) };
        };
        let (is_new, folder) = (devices.deny(denied)?, devices.part.folder().to_owned());
        if is_new { self.add_door(&folder) } else { Ok(()) }
    }

    /// Has processes enter one more hierarchy.
    fn add_door(&mut self, folder: &Path) -> Result<(), Error> {
        for entrance in std::iter::once(&mut self.entrance).chain(&mut self.narrow) {
            if let Entrance::Write(doors) = entrance {
                doors.push(door(folder)?);
            }
        }
        Ok(())
    }

    /// Removes its part of the processors' hierarchy; it has no processes.
    fn unpin(&mut self) -> Result<(), Error> {
        let Some(cpuset) = &mut self.cpuset else { return Ok(()) };
        if !cpuset.is_there() {
            return Ok(());
        }
        let path = cpuset.folder().join(DOOR);
        let is_other = |door: &OwnedFd| {
            let at = std::fs::read_link(format!("/proc/self/fd/{}", door.as_raw_fd()));
            at.map_or(true, |at| at != path)
        };
        for entrance in std::iter::once(&mut self.entrance).chain(&mut self.narrow) {
            if let Entrance::Write(doors) = entrance {
                doors.retain(is_other);
            }
        }
        cpuset.remove()
    }

    /// Whether its processes are in the hierarchy that limits their number, and in no other.
    fn is_narrow(&self) -> bool {
        let Limits { memory, pids: _, cpu_milli, io_weight } = self.limits;
        let is_shared = cpu_milli.is_some() || io_weight.is_some();
        memory.is_none() && !is_shared && self.nest.is_none() && self.narrow.is_some()
    }

    /// Others make groups below it: from now on what is in those counts as in it.
    pub(super) fn nest(&mut self) {
        let shortages = self.memory.as_ref().and_then(|memory| {
            let alarm = watch_shortages(&memory.folder);
            alarm.inspect_err(|error| tracing::warn!(%error, "cannot watch a group's memory")).ok()
        });
        self.nest = Some(Nest { shortages, counted: Cell::new(0) });
    }

    /// Where it is below the mounts of its hierarchies, if that is the same for all.
    pub(super) fn place(&self, mounts: &[PathBuf]) -> Option<PathBuf> {
        let mut places = self.held().map(|folder| {
            let mount = mounts.iter().find(|mount| folder.starts_with(mount))?;
            Some(Path::new("/").join(folder.strip_prefix(mount).ok()?))
        });
        let first = places.next()??;
        places.all(|place| place.as_ref() == Some(&first)).then_some(first)
    }

    /// Its folder in each hierarchy.
    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.held().chain(self.io.as_ref().filter(|io| self.held().all(|one| one != *io)))
    }

    /// Those of them by which containers are held, too.
    fn held(&self) -> impl Iterator<Item = &PathBuf> {
        let memory = self.memory.as_ref().map(|memory| &memory.folder);
        let pids = self.pids.as_ref().map(|pids| &pids.folder);
        [memory, pids, self.cpu.as_ref()].into_iter().flatten()
    }

    /// Sets limits; those that are as they are cost nothing.
    pub(super) fn limit(&mut self, limits: Limits) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.limits, limits);
        if let Some(memory) = self.memory.as_ref().filter(|_| limits.memory != before.memory) {
            set_memory(&memory.folder, limits.memory)?;
        }
        if let Some(pids) = self.pids.as_ref().filter(|_| limits.pids != before.pids) {
            pids.limit(limits.pids)?;
        }
        if let Some(folder) = self.cpu.as_deref().filter(|_| limits.cpu_milli != before.cpu_milli) {
            let shares = limits.cpu_milli.map_or(SHARES.1, |milli| milli * SHARES.1 / 1000);
            let shares = shares.clamp(SHARES.0, 1 << 18);
            file::write(&folder.join("cpu.shares"), &shares.to_string())?;
        }
        let shares = |limits: &Limits| (limits.cpu_milli, limits.io_weight);
        if let Some(folder) = self.io.as_deref().filter(|_| shares(&limits) != shares(&before)) {
            share_disks(folder, limits)?;
        }
        Ok(())
    }

    pub(super) fn figures(&self) -> Figures {
        let memory = self.used_memory();
        Figures {
            peak_memory: memory.and_then(|memory| memory.peak.number()).map(Bytes::new),
            counts_kills: memory.is_some(),
            memory_kills: self.kills().saturating_sub(self.before),
            ..Figures::default()
        }
    }

    /// The memory of its processes now. Their processor time is counted over all tasks that the group has had.
    pub(super) fn usage(&self) -> Option<u64> {
        file::number(&self.used_memory()?.folder.join("memory.usage_in_bytes"))
    }

    /// Its part of the memory's hierarchy, if its processes are in there.
    fn used_memory(&self) -> Option<&Memory> {
        self.memory.as_ref().filter(|_| !self.is_narrow())
    }

    /// Processes that were killed because there was no memory, in all of the group's life.
    fn kills(&self) -> u64 {
        if self.is_narrow() {
            return self.before;
        }
        let count = |memory: &Memory| memory.events.entries(["oom_kill"])[0].unwrap_or(0);
        let own = self.memory.as_ref().map_or(0, count);
        own.max(self.nest.as_ref().map_or(0, Nest::shortages))
    }

    /// Kills what is in it. Nothing in it can start a process meanwhile, so one look is enough where
    /// pids are limited; the answer says whether there was nothing.
    pub(super) fn kill(&self) -> Result<bool, Error> {
        let of_memory = || self.memory.as_ref().map(|memory| &memory.folder);
        if self.pids.as_ref().is_some_and(Pids::is_empty) {
            return Ok(true);
        }
        let Some(folder) = self.pids.as_ref().map(|pids| &pids.folder).or_else(of_memory) else {
            return Ok(true);
        };
        // Opened anew each time: what has been read once of an open file may be told again.
        let pids = || match &self.nest {
            Some(_) => file::all_pids(folder),
            None => file::pids(&folder.join("cgroup.procs")),
        };
        if pids()?.is_empty() {
            return Ok(true);
        }
        if let Some(pids) = &self.pids {
            self.was_killed.set(true);
            pids.limit(Some(0))?;
        }
        // A group without a limit of pids could grow while it is read: those who are killed cannot
        // start others, so each look finds fewer of the old ones.
        for pid in pids()? {
            file::kill(pid);
        }
        Ok(pids()?.is_empty())
    }

    /// Forgets what the last task used; `false` if the group had better be removed.
    pub(super) fn refresh(&mut self) -> bool {
        let (kills, limit) = (self.kills(), self.limits.pids);
        let was_killed = self.was_killed.replace(false);
        if let Err(error) = self.unpin() {
            tracing::warn!(%error, "a control group is not used again");
            return false;
        }
        let refreshed = self.used_memory().is_none_or(Memory::refresh)
            && self.pids.as_ref().is_none_or(|pids| {
                // Killing has set the limit to nothing.
                pids.is_empty() && (!was_killed || pids.limit(limit).is_ok())
            });
        self.before = kills;
        refreshed
    }

    pub(super) fn remove(mut self) -> Result<(), Error> {
        self.unpin()?;
        if let Some(devices) = &mut self.devices {
            devices.part.remove()?;
        }
        let folders: Vec<PathBuf> = self.folders().cloned().collect();
        let has_others = self.nest.is_some();
        // What is open in them goes first.
        drop(self);
        folders.iter().try_for_each(|folder| {
            if has_others { file::remove_all(folder) } else { file::remove(folder) }
        })
    }
}

/// Gives a group its part of the disks.
fn share_disks(folder: &Path, limits: Limits) -> Result<(), Error> {
    for (name, least, whole) in IO_WEIGHTS {
        let path = folder.join(name);
        if path.exists() {
            let weight = limits.share_of_disks(whole);
            return file::write(&path, &weight.clamp(least, IO_MOST).to_string());
        }
    }
    Ok(())
}

/// Where a process writes to get into a group.
fn door(folder: &Path) -> Result<OwnedFd, Error> {
    let path = folder.join(DOOR);
    let door = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    door.map_err(|errno| file::failed("opened", &path)(errno.into()))
}

impl Pids {
    fn open(folder: PathBuf) -> Result<Self, Error> {
        let current = Kept::open(folder.join("pids.current"))?;
        Ok(Self { folder, current })
    }

    fn is_empty(&self) -> bool {
        self.current.number() == Some(0)
    }

    fn limit(&self, limit: Option<u32>) -> Result<(), Error> {
        let most = limit.map_or_else(|| "max".to_owned(), |most| most.to_string());
        file::write(&self.folder.join("pids.max"), &most)
    }
}

impl Nest {
    fn shortages(&self) -> u64 {
        let mut more = [0; 8];
        let read = self.shortages.as_ref().map(|count| rustix::io::read(count, &mut more));
        if matches!(read, Some(Ok(8))) {
            self.counted.set(self.counted.get() + u64::from_ne_bytes(more));
        }
        self.counted.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_are_shared_by_whichever_file_there_is() {
        let root = tempfile::TempDir::new().unwrap();
        let says = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
        let of = |cpu_milli| Limits { cpu_milli, ..Limits::default() };
        let weighed = |weight| Limits { io_weight: Some(weight), ..of(Some(2000)) };
        share_disks(root.path(), of(Some(2000))).unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);

        std::fs::write(root.path().join("blkio.weight"), "").unwrap();
        share_disks(root.path(), of(Some(1500))).unwrap();
        assert_eq!(says("blkio.weight"), "750");
        share_disks(root.path(), of(Some(64_000))).unwrap();
        assert_eq!(says("blkio.weight"), "1000");
        let says_anew = |name: &str, weight| {
            std::fs::write(root.path().join(name), "").unwrap();
            share_disks(root.path(), weighed(weight)).unwrap();
            says(name)
        };
        for (weight, written) in [(1, "10"), (50, "250"), (200, "1000"), (201, "1000")] {
            assert_eq!(says_anew("blkio.weight", weight), written);
        }
        std::fs::write(root.path().join("blkio.bfq.weight"), "").unwrap();
        share_disks(root.path(), of(None)).unwrap();
        assert_eq!(says("blkio.bfq.weight"), "100");
        for weight in [1, 1000] {
            assert_eq!(says_anew("blkio.bfq.weight", weight), weight.to_string());
        }
    }
}
