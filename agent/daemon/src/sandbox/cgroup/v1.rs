//! A group in the hierarchies of version 1: one folder for each controller.

use std::cell::Cell;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use repower_model::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};

use super::{Controllers, Entrance, Error, Figures, Limits, file};

/// The least weight and that of a whole processor, in the kernel's own measure.
const SHARES: (u64, u64) = (2, 1024);

/// A group of one folder for each controller.
#[derive(Debug)]
pub(crate) struct Group {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    cpu: Option<PathBuf>,
    pub(super) entrance: Entrance,
    pub(super) limits: Limits,
    /// What the counters that cannot be reset said when the group was given out.
    kills_before: u64,
    refused_before: u64,
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

/// The folders of which each holds one controller's part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Roots {
    pub(super) memory: Option<PathBuf>,
    pub(super) pids: Option<PathBuf>,
    pub(super) cpu: Option<PathBuf>,
}

impl Roots {
    /// Each folder once: controllers may share one.
    pub(super) fn folders(&self) -> Vec<&PathBuf> {
        let mut folders: Vec<_> =
            [&self.memory, &self.pids, &self.cpu].into_iter().flatten().collect();
        folders.sort();
        folders.dedup();
        folders
    }

    pub(super) fn controllers(&self) -> Controllers {
        Controllers {
            memory: self.memory.is_some(),
            pids: self.pids.is_some(),
            cpu: self.cpu.is_some(),
            ..Controllers::default()
        }
    }
}

impl Group {
    /// Makes one in all hierarchies.
    pub(super) fn make(roots: &Roots, name: &str) -> Result<Self, Error> {
        let below = |root: &Option<PathBuf>| root.as_ref().map(|root| root.join(name));
        let (memory, pids, cpu) = (below(&roots.memory), below(&roots.pids), below(&roots.cpu));
        let mut doors = Vec::new();
        for root in roots.folders() {
            let folder = root.join(name);
            file::make(&folder)?;
            let path = folder.join("tasks");
            let door = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            doors.push(door.map_err(|errno| file::failed("opened", &path)(errno.into()))?);
        }
        let entrance = Entrance::Write(doors);
        let limits = Limits::default();
        let mut group = Self {
            memory,
            pids,
            cpu,
            entrance,
            limits,
            kills_before: 0,
            refused_before: 0,
            was_killed: Cell::new(false),
            nest: None,
        };
        group.begin();
        Ok(group)
    }

    /// Others make groups below it: from now on what is in those counts as in it.
    pub(super) fn nest(&mut self) {
        let shortages = self.memory.as_deref().and_then(|folder| {
            let alarm = watch_shortages(folder);
            alarm.inspect_err(|error| tracing::warn!(%error, "cannot watch a group's memory")).ok()
        });
        self.nest = Some(Nest { shortages, counted: Cell::new(0) });
    }

    /// Where it is below the mounts of its hierarchies, if that is the same for all.
    pub(super) fn place(&self, mounts: &[PathBuf]) -> Option<PathBuf> {
        let folders = [&self.memory, &self.pids, &self.cpu].into_iter().flatten();
        let mut places = folders.map(|folder| {
            let mount = mounts.iter().find(|mount| folder.starts_with(mount))?;
            Some(Path::new("/").join(folder.strip_prefix(mount).ok()?))
        });
        let first = places.next()??;
        places.all(|place| place.as_ref() == Some(&first)).then_some(first)
    }

    fn begin(&mut self) {
        self.kills_before = self.kills();
        self.refused_before = self.refused();
    }

    /// Sets limits; those that are as they are cost nothing.
    pub(super) fn limit(&mut self, limits: Limits) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.limits, limits);
        if let Some(folder) = self.memory.as_deref().filter(|_| limits.memory != before.memory) {
            set_memory(folder, limits.memory)?;
        }
        if let Some(folder) = self.pids.as_deref().filter(|_| limits.pids != before.pids) {
            let most = limits.pids.map_or_else(|| "max".to_owned(), |most| most.to_string());
            file::write(&folder.join("pids.max"), &most)?;
        }
        if let Some(folder) = self.cpu.as_deref().filter(|_| limits.cpu_milli != before.cpu_milli) {
            let shares = limits.cpu_milli.map_or(SHARES.1, |milli| milli * SHARES.1 / 1000);
            let shares = shares.clamp(SHARES.0, 1 << 18);
            file::write(&folder.join("cpu.shares"), &shares.to_string())?;
        }
        Ok(())
    }

    pub(super) fn figures(&self) -> Figures {
        let peak = self.memory.as_deref().and_then(|folder| {
            file::number(&folder.join("memory.max_usage_in_bytes")).map(Bytes::new)
        });
        Figures {
            peak_memory: peak,
            counts_kills: self.memory.is_some(),
            memory_kills: self.kills().saturating_sub(self.kills_before),
            pids_refused: self.refused().saturating_sub(self.refused_before),
            ..Figures::default()
        }
    }

    fn kills(&self) -> u64 {
        let path = self.memory.as_deref().map(|folder| folder.join("memory.oom_control"));
        let own = path.and_then(|path| file::entry(&path, "oom_kill")).unwrap_or(0);
        own.max(self.nest.as_ref().map_or(0, Nest::shortages))
    }

    fn refused(&self) -> u64 {
        let path = self.pids.as_deref().map(|folder| folder.join("pids.events"));
        path.and_then(|path| file::entry(&path, "max")).unwrap_or(0)
    }

    /// Kills what is in it. Nothing in it can start a process meanwhile, so one look is enough where
    /// pids are limited; the answer says whether there was nothing.
    pub(super) fn kill(&self) -> Result<bool, Error> {
        let Some(folder) = self.pids.as_deref().or(self.memory.as_deref()) else {
            return Ok(true);
        };
        let pids = || match &self.nest {
            Some(_) => file::all_pids(folder),
            None => file::pids(&folder.join("cgroup.procs")),
        };
        if pids()?.is_empty() {
            return Ok(true);
        }
        if let Some(folder) = &self.pids {
            self.was_killed.set(true);
            file::write(&folder.join("pids.max"), "0")?;
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
        /// Page cache that stays with the group would count for the next task.
        const LEFT: u64 = 256 << 10;
        if let Some(folder) = &self.memory {
            let usage = file::number(&folder.join("memory.usage_in_bytes"));
            let is_empty = usage.is_some_and(|usage| usage <= LEFT)
                || file::write(&folder.join("memory.force_empty"), "0").is_ok()
                    && file::number(&folder.join("memory.usage_in_bytes"))
                        .is_some_and(|usage| usage <= LEFT);
            if !is_empty || file::write(&folder.join("memory.max_usage_in_bytes"), "0").is_err() {
                return false;
            }
        }
        if self.was_killed.replace(false)
            && let Some(folder) = &self.pids
        {
            // Killing has set it to nothing.
            let most = self.limits.pids.map_or_else(|| "max".to_owned(), |most| most.to_string());
            if file::write(&folder.join("pids.max"), &most).is_err() {
                return false;
            }
        }
        self.begin();
        true
    }

    pub(super) fn remove(self) -> Result<(), Error> {
        drop(self.entrance);
        for folder in [&self.memory, &self.pids, &self.cpu].into_iter().flatten() {
            match &self.nest {
                Some(_) => file::remove_all(folder)?,
                None => file::remove(folder)?,
            }
        }
        Ok(())
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

/// Lets the kernel count how often a group, or one below it, has no memory left because of this group's limit.
fn watch_shortages(folder: &Path) -> Result<OwnedFd, Error> {
    let path = folder.join("memory.oom_control");
    let failed = |errno: rustix::io::Errno| file::failed("watched", &path)(errno.into());
    let count = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
    let control = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let control = control.map_err(failed)?;
    let line = format!("{} {}", count.as_fd().as_raw_fd(), control.as_raw_fd());
    file::write(&folder.join("cgroup.event_control"), &line)?;
    Ok(count)
}

/// Memory, and memory with swap: the second may never be below the first.
fn set_memory(folder: &Path, limit: Option<Bytes>) -> Result<(), Error> {
    let text = limit.map_or_else(|| "-1".to_owned(), |limit| limit.as_u64().to_string());
    let (plain, swap) =
        (folder.join("memory.limit_in_bytes"), folder.join("memory.memsw.limit_in_bytes"));
    if !swap.exists() {
        return file::write(&plain, &text);
    }
    // Which of the two has to go first depends on whether the limit is raised or lowered.
    let limit = limit.map_or(u64::MAX, Bytes::as_u64);
    let now = fs::read_to_string(&swap).ok().and_then(|text| text.trim().parse().ok());
    let is_raised = now.is_some_and(|now: u64| limit > now);
    let order = if is_raised { [&swap, &plain] } else { [&plain, &swap] };
    order.into_iter().try_for_each(|path| file::write(path, &text))
}
