//! Which processes a task has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::proc;

/// The most processes of one task that are looked at.
const PROCESSES: usize = 4096;

/// The most control groups below that of a task, for each so many processes.
const PER_GROUP: usize = 16;

/// By what the processes of a task are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// All in a control group and those below it; the folder of the group.
    Group(PathBuf),
    /// A process, all that descend from it, and all in its process group and session. A process that
    /// leaves all of them is not seen: only a control group holds those.
    Family(u32),
}

/// Processes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// In ascending order.
    pub(super) processes: Vec<u32>,
    /// Whether the task has no others.
    pub(super) is_all: bool,
}

impl Members {
    /// The processes now, in ascending order; of a task with very many, only some.
    pub fn processes(&self) -> Vec<u32> {
        self.list(PROCESSES).processes
    }

    /// The processes now, at most so many.
    pub(super) fn list(&self, most: usize) -> Listed {
        match self {
            Self::Group(folder) => group(folder, most),
            Self::Family(root) => family(*root, most),
        }
    }

    /// The process by which the task is known, if it is by one.
    pub fn leader(&self) -> Option<u32> {
        match self {
            Self::Group(folder) => group(folder, PROCESSES).processes.first().copied(),
            Self::Family(root) => Some(*root),
        }
    }
}

impl Listed {
    fn of(found: BTreeSet<u32>, most: usize, is_all: bool) -> Self {
        let is_all = is_all && found.len() <= most;
        Self { processes: found.into_iter().take(most).collect(), is_all }
    }
}

fn group(folder: &Path, most: usize) -> Listed {
    let groups = most / PER_GROUP;
    let (mut found, mut is_all) = (BTreeSet::new(), true);
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > groups || found.len() > most {
            is_all = false;
            break;
        }
        // What is gone has no processes.
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        let entries = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        // One more than are looked at, so that it is seen that there are more.
        folders.extend(inner.map(|entry| entry.path()).take(groups + 1));
    }
    // Those that this pid namespace does not show.
    found.remove(&0);
    Listed::of(found, most, is_all)
}

fn family(root: u32, most: usize) -> Listed {
    let mut others = Vec::new();
    for process in proc::numbers("/proc", usize::MAX) {
        let Ok(bytes) = proc::read(process, "stat", 4096) else { continue };
        let Some(fields) = proc::stat_fields(&bytes) else { continue };
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
        let (Some(parent), Some(group), Some(session)) = (number(1), number(2), number(3)) else {
            continue;
        };
        others.push((process, parent, group == root || session == root));
    }
    let (mut found, mut is_all) = (BTreeSet::from([root]), true);
    // A parent may have a higher number than its child: until nothing is added.
    loop {
        let before = found.len();
        let belongs = |parent: u32, is_near: bool| is_near || found.contains(&parent);
        let more: Vec<u32> = others
            .iter()
            .filter(|(_, parent, is_near)| belongs(*parent, *is_near))
            .map(|(process, _, _)| *process)
            .collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
        if found.len() > most {
            is_all = false;
            break;
        }
    }
    let alive: BTreeSet<u32> = others.iter().map(|(process, _, _)| *process).collect();
    found.retain(|process| alive.contains(process));
    Listed::of(found, most, is_all)
}
