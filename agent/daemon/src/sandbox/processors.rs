//! Which processors tasks have to themselves: no two of those that ask for it share one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::thread::{CpuSet, sched_getaffinity};

/// Processors by their numbers.
type Set = BTreeSet<u32>;

/// The processors that tasks can have to themselves.
#[derive(Debug)]
pub(crate) struct Processors {
    /// Of each NUMA node; none is in two.
    nodes: Vec<Set>,
    taken: Arc<Mutex<Set>>,
}

/// Processors that a task has to itself, as long as this lives.
#[derive(Debug)]
pub(crate) struct Pinned {
    own: Set,
    taken: Arc<Mutex<Set>>,
}

/// There are not enough of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the task asks for {asked} processors that no other pinned task has, but of the {all} of this node {free} are free: ask for fewer, or let it run elsewhere"
)]
pub(crate) struct Scarce {
    asked: usize,
    free: usize,
    all: usize,
}

impl Processors {
    /// Those of this machine that this process may use, and that `allowed` names: where control groups let tasks run.
    pub(crate) fn look(allowed: Option<&str>) -> Self {
        let own = sched_getaffinity(None).ok();
        let may = |cpu: &u32| own.is_none_or(|own| has(&own, *cpu));
        let all: Set = allowed.map(list).unwrap_or_default().into_iter().filter(may).collect();
        Self { nodes: by_node(&all, Path::new("/sys/devices/system/node")), taken: Arc::default() }
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Some that nobody has; of one NUMA node if one has so many, else of as few as possible.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub(crate) fn take(&self, count: usize) -> Result<Pinned, Scarce> {
        let mut taken = lock(&self.taken);
        let own = choose(&self.nodes, &taken, count).map_err(|free| {
            let all = self.nodes.iter().map(BTreeSet::len).sum();
            Scarce { asked: count, free, all }
        })?;
        taken.extend(&own);
        drop(taken);
        Ok(Pinned { own, taken: Arc::clone(&self.taken) })
    }
}

impl Pinned {
    /// As control groups and engines list them: `0-2,5`.
    pub(crate) fn list(&self) -> String {
        let mut text = String::new();
        let mut rest = self.own.iter().copied().peekable();
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            let comma = if text.is_empty() { "" } else { "," };
            let range = if last > first { format!("{first}-{last}") } else { first.to_string() };
            write!(text, "{comma}{range}").expect("a text takes what is written to it");
        }
        text
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        for cpu in &self.own {
            taken.remove(cpu);
        }
    }
}

fn lock(taken: &Mutex<Set>) -> MutexGuard<'_, Set> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn has(set: &CpuSet, cpu: u32) -> bool {
    usize::try_from(cpu).is_ok_and(|cpu| cpu < CpuSet::MAX_CPU && set.is_set(cpu))
}

/// Chooses so many; else how many are free.
///
/// The fullest node that still has them keeps larger holes for others. Where none has, the emptiest first, so that there
/// are few.
fn choose(nodes: &[Set], taken: &Set, count: usize) -> Result<Set, usize> {
    let mut free: Vec<Vec<u32>> =
        nodes.iter().map(|node| node.difference(taken).copied().collect()).collect();
    let all = free.iter().map(Vec::len).sum();
    if count > all {
        return Err(all);
    }
    if let Some(node) = free.iter().filter(|node| node.len() >= count).min_by_key(|node| node.len())
    {
        return Ok(node.iter().take(count).copied().collect());
    }
    // Stable: of equal ones the first.
    free.sort_by_key(|node| std::cmp::Reverse(node.len()));
    Ok(free.into_iter().flatten().take(count).collect())
}

/// By NUMA node; what belongs to none is one of its own.
fn by_node(all: &Set, folder: &Path) -> Vec<Set> {
    let mut left = all.clone();
    let mut nodes = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path().join("cpulist")).collect();
    paths.sort();
    for path in paths {
        let Ok(text) = fs::read_to_string(path) else { continue };
        let node: Set = list(&text).intersection(&left).copied().collect();
        left.retain(|cpu| !node.contains(cpu));
        nodes.push(node);
    }
    nodes.push(left);
    nodes.retain(|node| !node.is_empty());
    nodes
}

/// Reads `0-2,5`. What is no number is passed over.
fn list(text: &str) -> Set {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        // No machine has more.
        Some(first..=last.min(first.saturating_add(65_535)))
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors(nodes: &[&str]) -> Processors {
        let nodes = nodes.iter().map(|text| list(text)).collect();
        Processors { nodes, taken: Arc::default() }
    }

    #[test]
    fn no_two_have_the_same_one_and_one_that_is_given_back_is_there_again() {
        let all = processors(&["0-3"]);

        let (one, two) = (all.take(1).unwrap(), all.take(2).unwrap());

        assert_eq!((one.list().as_str(), two.list().as_str()), ("0", "1-2"));
        assert_eq!(all.take(2).unwrap_err(), Scarce { asked: 2, free: 1, all: 4 });
        drop(one);
        assert_eq!(all.take(2).unwrap().list(), "0,3");
    }

    #[test]
    fn a_task_stays_on_one_node_where_it_can_and_on_the_one_it_fills_best() {
        let all = processors(&["0-3,8-11", "4-7"]);

        let small = all.take(4).unwrap();
        let large = all.take(6).unwrap();
        let split = all.take(2).unwrap();

        assert_eq!(small.list(), "4-7", "the larger node is kept for larger tasks");
        assert_eq!(large.list(), "0-3,8-9");
        assert_eq!(split.list(), "10-11");
        drop((small, split));
        assert_eq!(all.take(5).unwrap().list(), "4-7,10", "the emptier node first");
    }

    #[test]
    fn nodes_are_read_and_what_is_not_allowed_is_left_out() {
        let folder = tempfile::TempDir::new().unwrap();
        for (name, text) in [("node0", "0-1\n"), ("node1", "2-3\n"), ("power", "")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if !text.is_empty() {
                fs::write(folder.path().join(name).join("cpulist"), text).unwrap();
            }
        }

        let nodes = by_node(&list("1-4"), folder.path());

        assert_eq!(nodes, [list("1"), list("2-3"), list("4")]);
        assert_eq!(by_node(&list("0-1"), &folder.path().join("none")), [list("0-1")]);
    }

    #[test]
    fn a_list_that_makes_no_sense_has_nothing() {
        for text in ["", "x", "3-1", "-", "\n"] {
            assert_eq!(list(text), Set::new(), "{text:?}");
        }
        assert_eq!(list("0-2,5\n"), Set::from([0, 1, 2, 5]));
    }
}
