//! Which processes a task has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::proc;

/// The most processes of one task that are looked at.
const PROCESSES: usize = 4096;

/// The most control groups below that of a task.
const GROUPS: usize = 256;

/// By what the processes of a task are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// All in a control group and those below it; the folder of the group.
    Group(PathBuf),
    /// A process, all that descend from it, and all in its process group and session. A process that
    /// leaves all of them is not seen: only a control group holds those.
    Family(u32),
}

impl Members {
    /// The processes now, in ascending order.
    pub fn processes(&self) -> Vec<u32> {
        match self {
            Self::Group(folder) => group(folder),
            Self::Family(root) => family(*root),
        }
    }

    /// The process by which the task is known, if it is by one.
    pub fn leader(&self) -> Option<u32> {
        match self {
            Self::Group(folder) => group(folder).first().copied(),
            Self::Family(root) => Some(*root),
        }
    }
}

fn group(folder: &Path) -> Vec<u32> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > GROUPS || found.len() >= PROCESSES {
            break;
        }
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        let entries = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(inner.map(|entry| entry.path()).take(GROUPS));
    }
    found.into_iter().filter(|process| *process != 0).take(PROCESSES).collect()
}

fn family(root: u32) -> Vec<u32> {
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
    let mut found = BTreeSet::from([root]);
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
        if found.len() == before || found.len() >= PROCESSES {
            break;
        }
    }
    let alive: BTreeSet<u32> = others.iter().map(|(process, _, _)| *process).collect();
    found.into_iter().filter(|process| alive.contains(process)).take(PROCESSES).collect()
}
