//! What was seen of a task, as text for people, of bounded length.

use std::fmt::Write as _;
use std::fs;

use repower_agent_core::Now;
use repower_agent_core::detect::Verdict;

use super::descriptors::open;
use super::executable::Digests;
use super::sockets::connections;
use super::{Members, proc, usage};

/// The most bytes of a bundle.
pub const EVIDENCE_BYTES: usize = 64 << 10;

/// The most processes that are described; the others are counted.
const PROCESSES: usize = 32;

/// The most lines of mappings of one process.
const LINES: usize = 200;

/// Describes a task: verdicts, counters, processes with their files, digests, connections and maps.
///
/// Neither arguments nor environments are in it: they hold secrets.
pub fn evidence(members: &Members, verdicts: &[Verdict], now: Now) -> String {
    let processes = members.processes();
    let mut text = String::new();
    let mut digests = Digests::default();
    let used = usage::usage(&processes, 0, None);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "time-ms {}", now.wall.as_millis());
    for one in verdicts {
        let _ = writeln!(
            text,
            "verdict {} version {} {} first-seen-ms {} last-seen-ms {} times {} process {}",
            one.rule,
            one.version,
            one.rule.tier(),
            one.first_seen.as_millis(),
            one.last_seen.as_millis(),
            one.times,
            one.process
        );
    }
    let _ = writeln!(
        text,
        "processes {} cpu-ms {} bytes-moved {}",
        processes.len(),
        used.cpu_ms,
        used.moved
    );
    // Those that verdicts name come first.
    let mut order = processes.clone();
    order.sort_by_key(|process| !verdicts.iter().any(|one| one.process == *process));
    for process in order.iter().take(PROCESSES) {
        describe(*process, &mut digests, &mut text);
        if text.len() >= EVIDENCE_BYTES {
            break;
        }
    }
    cut(text)
}

fn describe(process: u32, digests: &mut Digests, text: &mut String) {
    let comm = proc::read(process, "comm", 64).unwrap_or_default();
    let exe = fs::read_link(proc::path(process, "exe")).unwrap_or_default();
    let digest = digests.of(process).map(|digest| crate::environment::hex(&digest));
    let _ = writeln!(
        text,
        "process {process} name {:?} executable {:?} sha256 {}",
        String::from_utf8_lossy(comm.trim_ascii_end()),
        exe.to_string_lossy(),
        digest.as_deref().unwrap_or("unknown")
    );
    let sockets = connections(process, &open(process).sockets).unwrap_or_default();
    for one in sockets.iter().take(LINES) {
        let _ =
            writeln!(text, "connection {} sent {} received {}", one.remote, one.sent, one.received);
    }
    let maps = proc::read(process, "maps", 256 << 10).unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    let lines = maps.lines().count();
    for line in maps.lines().take(LINES) {
        let _ = writeln!(text, "map {line}");
    }
    if lines > LINES {
        let _ = writeln!(text, "maps-left-out {}", lines - LINES);
    }
}

fn cut(mut text: String) -> String {
    const END: &str = "\ncut here: the bundle has reached its bound\n";
    if text.len() <= EVIDENCE_BYTES {
        return text;
    }
    let mut length = EVIDENCE_BYTES - END.len();
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
    text.push_str(END);
    text
}
