//! The part of a group that limits memory, in the hierarchy of version 1.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use repower_model::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};

use super::super::file::Kept;
use super::super::{Error, file};

/// The part of a group that limits memory.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) folder: PathBuf,
    usage: Kept,
    pub(super) peak: Kept,
    stat: Kept,
    pub(super) events: Kept,
}

impl Memory {
    pub(super) fn open(folder: PathBuf) -> Result<Self, Error> {
        let open = |name: &str| Kept::open(folder.join(name));
        Ok(Self {
            usage: open("memory.usage_in_bytes")?,
            peak: open("memory.max_usage_in_bytes")?,
            stat: open("memory.stat")?,
            events: open("memory.oom_control")?,
            folder,
        })
    }

    /// Makes the group as good as new; `false` if that cannot be.
    pub(super) fn refresh(&self) -> bool {
        let empty = || file::write(&self.folder.join("memory.force_empty"), "0").is_ok();
        (self.is_empty() || empty() && self.is_empty()) && self.peak.write("0").is_ok()
    }

    /// Whether little is left in the group: page cache that stays would count for the next task.
    ///
    /// The quick figure also counts what each processor has put by for the group, up to 64 pages
    /// (`MEMCG_CHARGE_BATCH`), which gives way as soon as a limit is reached. Emptying the group asks
    /// all processors to give that back, and costs as much as launching a process.
    fn is_empty(&self) -> bool {
        const LEFT: u64 = 256 << 10;
        if self.usage.number().is_some_and(|usage| usage <= LEFT) {
            return true;
        }
        let parts = self.stat.entries(["total_cache", "total_rss"]);
        matches!(parts, [Some(cache), Some(rss)] if cache + rss <= LEFT)
    }
}

/// Lets the kernel count how often a group, or one below it, has no memory left because of this group's limit.
pub(super) fn watch_shortages(folder: &Path) -> Result<OwnedFd, Error> {
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
pub(super) fn set_memory(folder: &Path, limit: Option<Bytes>) -> Result<(), Error> {
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
