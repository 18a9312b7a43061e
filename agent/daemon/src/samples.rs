//! What running tasks use just now: what their control groups count, and one walk over `/proc` for the rest.
//!
//! Only while somebody watches, and away from everything else: nothing waits for it.

use std::collections::BTreeMap;
use std::fs;

use repower_proto::v1::{RunningProcess, Sample};

/// How far the parents of a process are followed.
const DEEPEST: usize = 64;

/// One process, as the kernel tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: i32,
    session: i32,
    /// User and system time of it and of the children that it has waited for.
    ticks: u64,
    pages: u64,
}

/// What each of these uses, with all of its descendants.
pub(crate) fn samples(running: &[RunningProcess]) -> Vec<Sample> {
    if running.is_empty() {
        return Vec::new();
    }
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    sum(running, &processes())
        .into_iter()
        .map(|(of, process, count)| Sample {
            attempt: of.attempt,
            cpu_us: of.cpu_us.unwrap_or(process.ticks * tick_us),
            memory_bytes: of.memory_bytes.unwrap_or(process.pages * page),
            processes: count,
        })
        .collect()
}

/// All processes of this machine.
fn processes() -> BTreeMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let mut processes = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(process) = read(&stat) {
            processes.insert(pid, process);
        }
    }
    processes
}

/// Reads a line of `/proc/PID/stat`; see proc(5).
fn read(stat: &str) -> Option<Process> {
    // The name, in parentheses, may have blanks and parentheses in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // State is field 3 of the line, and the first of these.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let ticks = [14, 15, 16, 17].into_iter().map(number).sum::<Option<i64>>()?;
    Some(Process {
        parent: i32::try_from(number(4)?).ok()?,
        session: i32::try_from(number(6)?).ok()?,
        ticks: u64::try_from(ticks).ok()?,
        pages: u64::try_from(number(24)?).ok()?,
    })
}

/// Adds up what belongs together, in the order of `running`: whose it is, the sum, and of how many processes.
fn sum<'a>(
    running: &'a [RunningProcess],
    processes: &BTreeMap<i32, Process>,
) -> Vec<(&'a RunningProcess, Process, u32)> {
    let places: BTreeMap<i32, usize> =
        running.iter().enumerate().map(|(at, one)| (one.pid, at)).collect();
    let none = Process { parent: 0, session: 0, ticks: 0, pages: 0 };
    let mut sums: Vec<(&RunningProcess, Process, u32)> =
        running.iter().map(|one| (one, none, 0)).collect();
    for (pid, process) in processes {
        let Some(at) = place(*pid, *process, processes, &places) else { continue };
        let (_, sum, count) = &mut sums[at];
        sum.ticks += process.ticks;
        sum.pages += process.pages;
        *count += 1;
    }
    // One that has just ended says nothing of how much it used.
    sums.retain(|(_, _, count)| *count > 0);
    sums
}

/// Whose a process is: of the first of its parents that is known, else of the session that it is in.
fn place(
    pid: i32,
    process: Process,
    processes: &BTreeMap<i32, Process>,
    places: &BTreeMap<i32, usize>,
) -> Option<usize> {
    let (mut at, mut parent) = (pid, process.parent);
    for _ in 0..DEEPEST {
        if let Some(place) = places.get(&at) {
            return Some(*place);
        }
        let Some(next) = processes.get(&parent) else { break };
        (at, parent) = (parent, next.parent);
    }
    places.get(&process.session).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(parent: i32, session: i32) -> Process {
        Process { parent, session, ticks: 10, pages: 1 }
    }

    fn running(pid: i32) -> RunningProcess {
        RunningProcess { pid, ..RunningProcess::default() }
    }

    #[test]
    fn a_name_with_blanks_and_parentheses_is_read() {
        let fields = "S 7 9 9 0 -1 4194560 100 0 0 0 11 22 3 4 20 0 1 0 100 2000000 500 1844";

        let process = read(&format!("42 (a ) b (c) {fields}")).expect("read");
        let other = read(&format!("42 (a ) b (c)) {fields}")).expect("read");

        assert_eq!(other, Process { parent: 7, session: 9, ticks: 40, pages: 500 });
        assert_ne!(process.parent, 42);
        assert_eq!(read("no process"), None);
    }

    #[test]
    fn what_children_and_strays_of_a_session_use_is_their_tasks() {
        let processes = BTreeMap::from([
            (1, process(0, 1)),
            (10, process(1, 10)),
            (11, process(10, 10)),
            // Left its session, but not its parent.
            (12, process(11, 12)),
            // Left its parent, but not its session.
            (13, process(1, 10)),
            (20, process(1, 20)),
            (30, process(1, 30)),
        ]);
        let tasks = [running(10), running(20), running(99)];

        let sums = sum(&tasks, &processes);

        let told: Vec<_> =
            sums.iter().map(|(one, sum, count)| (one.pid, sum.ticks, *count)).collect();
        assert_eq!(told, [(10, 40, 4), (20, 10, 1)]);
    }

    #[test]
    fn this_process_holds_memory_and_has_used_time() {
        let pid = i32::try_from(std::process::id()).expect("a pid");

        let samples = samples(&[running(pid)]);

        assert_eq!(samples.len(), 1);
        assert!(samples[0].memory_bytes > 0 && samples[0].processes >= 1);
    }

    #[test]
    fn what_a_control_group_counts_is_believed_rather() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let counted = RunningProcess { cpu_us: Some(7), memory_bytes: Some(9), ..running(pid) };

        let samples = samples(&[counted]);

        assert_eq!((samples[0].cpu_us, samples[0].memory_bytes), (7, 9));
    }
}
