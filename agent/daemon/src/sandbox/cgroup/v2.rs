//! A group in the one hierarchy of version 2: one folder.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use repower_model::Bytes;
use rustix::fs::{Mode, OFlags};

use super::{Controllers, Entrance, Error, Figures, Limits, file};

/// The weight of a whole processor: the kernel's default.
const WEIGHT: u64 = 100;

/// The most that the kernel takes, of the processors and of all schedulers of disks.
const CPU_MOST: u64 = 10_000;
const IO_MOST: u64 = 1_000;

/// The file of a group that says how much of the disks it gets, if there is one and it can be written: that of the
/// cost model, or of the scheduler BFQ.
pub(super) fn io_weight(folder: &Path) -> Option<&'static str> {
    ["io.weight", "io.bfq.weight"].into_iter().find(|name| {
        let file = folder.join(name);
        file.exists() && file::write(&file, &format!("default {WEIGHT}")).is_ok()
    })
}

/// A group of one folder.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    has: Controllers,
    pub(super) entrance: Entrance,
    pub(super) limits: Limits,
}

impl Group {
    pub(super) fn make(root: &Path, has: Controllers, name: &str) -> Result<Self, Error> {
        let path = root.join(name);
        file::make(&path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&path, flags, Mode::empty());
        let folder = folder.map_err(|errno| file::failed("opened", &path)(errno.into()))?;
        let group = Self { path, has, entrance: Entrance::Born(folder), limits: Limits::default() };
        if has.memory {
            // All of a task or nothing: half of one is of no use to anybody.
            let whole = group.path.join("memory.oom.group");
            if whole.exists() {
                file::write(&whole, "1")?;
            }
        }
        Ok(group)
    }

    /// Its folder, open.
    pub(super) fn door(&self) -> BorrowedFd<'_> {
        let Entrance::Born(folder) = &self.entrance else {
            unreachable!("a group of version 2 is entered by birth")
        };
        folder.as_fd()
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    pub(super) fn limit(&mut self, limits: Limits) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.limits, limits);
        let text =
            |most: Option<u64>| most.map_or_else(|| "max".to_owned(), |most| most.to_string());
        if self.has.memory && limits.memory != before.memory {
            file::write(&self.path.join("memory.max"), &text(limits.memory.map(Bytes::as_u64)))?;
            let swap = self.path.join("memory.swap.max");
            if swap.exists() {
                file::write(&swap, if limits.memory.is_some() { "0" } else { "max" })?;
            }
        }
        if self.has.pids && limits.pids != before.pids {
            file::write(&self.path.join("pids.max"), &text(limits.pids.map(u64::from)))?;
        }
        let of_cpu = |limits: &Limits| {
            let weight = limits.cpu_milli.map_or(WEIGHT, |milli| milli * WEIGHT / 1000);
            weight.clamp(1, CPU_MOST)
        };
        let of_io = |limits: &Limits| limits.share_of_disks(WEIGHT).clamp(1, IO_MOST);
        if self.has.cpu && of_cpu(&limits) != of_cpu(&before) {
            file::write(&self.path.join("cpu.weight"), &of_cpu(&limits).to_string())?;
        }
        if self.has.io
            && of_io(&limits) != of_io(&before)
            && let Some(name) = io_weight(&self.path)
        {
            file::write(&self.path.join(name), &format!("default {}", of_io(&limits)))?;
        }
        Ok(())
    }

    /// Lets its processes run on these processors only.
    pub(super) fn pin(&self, cpus: &str) -> Result<(), Error> {
        file::write(&self.path.join("cpuset.cpus"), cpus)
    }

    pub(super) fn figures(&self) -> Figures {
        let file = |name: &str| self.path.join(name);
        let (read, written) = std::fs::read_to_string(file("io.stat"))
            .map_or((None, None), |text| {
                (Some(sum(&text, "rbytes=")), Some(sum(&text, "wbytes=")))
            });
        Figures {
            cpu_us: file::entry(&file("cpu.stat"), "usage_usec"),
            peak_memory: file::number(&file("memory.peak")).map(Bytes::new),
            read,
            written,
            counts_kills: self.has.memory,
            memory_kills: file::entry(&file("memory.events"), "oom_kill").unwrap_or(0),
        }
    }

    /// The processor time and the memory of its processes now.
    pub(super) fn usage(&self) -> (Option<u64>, Option<u64>) {
        let cpu = file::entry(&self.path.join("cpu.stat"), "usage_usec");
        (cpu, file::number(&self.path.join("memory.current")))
    }

    pub(super) fn kill(&self) -> Result<bool, Error> {
        let events = self.path.join("cgroup.events");
        let is_empty = || file::entry(&events, "populated") == Some(0);
        if is_empty() {
            return Ok(true);
        }
        let kill = self.path.join("cgroup.kill");
        if kill.exists() {
            file::write(&kill, "1")?;
            return Ok(is_empty());
        }
        if self.has.pids {
            file::write(&self.path.join("pids.max"), "0")?;
        }
        for pid in file::all_pids(&self.path)? {
            file::kill(pid);
        }
        Ok(is_empty())
    }

    pub(super) fn remove(self) -> Result<(), Error> {
        // And what the task itself, or the engine of its container, has made in it.
        file::remove_all(&self.path)
    }

    /// Where it is below the mount of the hierarchy.
    pub(super) fn place(&self, mounts: &[PathBuf]) -> Option<PathBuf> {
        let mount = mounts.iter().find(|mount| self.path.starts_with(mount))?;
        Some(Path::new("/").join(self.path.strip_prefix(mount).ok()?))
    }
}

/// The sum of the numbers behind a word, over all devices.
fn sum(text: &str, word: &str) -> Bytes {
    let numbers = text.split_whitespace().filter_map(|part| part.strip_prefix(word));
    Bytes::new(numbers.filter_map(|number| number.parse::<u64>().ok()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_is_written_to_the_group_itself() {
        let root = tempfile::TempDir::new().unwrap();
        let group = Group::make(root.path(), Controllers::default(), "1").unwrap();
        let file = root.path().join("1/cpuset.cpus");

        assert!(group.pin("0-1").is_err(), "a host without the controller has no such file");
        std::fs::write(&file, "").unwrap();
        group.pin("0-1,3").unwrap();

        assert_eq!(std::fs::read_to_string(file).unwrap(), "0-1,3");
    }

    #[test]
    fn the_disks_are_shared_like_the_processors_where_there_is_a_file_for_it() {
        let root = tempfile::TempDir::new().unwrap();
        let has = Controllers { cpu: true, io: true, ..Controllers::default() };
        let mut group = Group::make(root.path(), has, "1").unwrap();
        let of = |milli| Limits { cpu_milli: Some(milli), ..Limits::default() };
        let says = |name: &str| std::fs::read_to_string(root.path().join("1").join(name)).unwrap();
        std::fs::write(root.path().join("1/cpu.weight"), "-").unwrap();

        group.limit(of(1000)).unwrap();
        assert_eq!(says("cpu.weight"), "-", "one processor is what the kernel has anyway");
        group.limit(of(2500)).unwrap();
        assert_eq!(io_weight(&root.path().join("1")), None);
        std::fs::write(root.path().join("1/io.bfq.weight"), "").unwrap();
        group.limit(of(64_000)).unwrap();

        assert_eq!(says("cpu.weight"), "6400");
        assert_eq!(says("io.bfq.weight"), "default 1000");
        std::fs::write(root.path().join("1/io.bfq.weight"), "").unwrap();
        group.limit(Limits { io_weight: Some(250), ..of(64_000) }).unwrap();
        assert_eq!(says("io.bfq.weight"), "default 250");
        assert_eq!(says("cpu.weight"), "6400");
    }

    #[test]
    fn io_is_summed_over_devices() {
        let text = "254:0 rbytes=4096 wbytes=10 rios=1 wios=1 dbytes=0 dios=0\n\
                    254:16 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0";

        assert_eq!(sum(text, "rbytes="), Bytes::new(4097));
        assert_eq!(sum(text, "wbytes="), Bytes::new(10));
    }
}
