//! What was seen of a task, as text for people, of bounded length.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use repower_agent_core::Now;
use repower_agent_core::detect::Verdict;
use repower_proto::v1;

use super::descriptors::open;
use super::executable::Digests;
use super::sockets::connections;
use super::{Members, Sensors, proc, usage};

/// The most bytes of a bundle.
pub const EVIDENCE_BYTES: usize = 64 << 10;

/// The most processes that are described; the others are counted.
const PROCESSES: usize = 32;

/// The most lines of mappings of one process.
const LINES: usize = 200;

/// The most programs of one task that are named.
const IMAGES: usize = 16;

/// Folders whose programs are the host's and not a task's.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt"];

/// What was seen of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// As text, at most [`EVIDENCE_BYTES`].
    pub text: String,
    /// Whether there was more.
    pub cut: bool,
}

/// A verdict as it is told.
pub(crate) fn told(one: &Verdict) -> v1::Verdict {
    let detail = if one.process == 0 { String::new() } else { format!("process {}", one.process) };
    v1::Verdict {
        rule: one.rule.code().to_owned(),
        version: one.version,
        tier: one.rule.tier().number().into(),
        mechanism: one.rule.mechanism().word().to_owned(),
        first_seen_ms: one.first_seen.as_millis(),
        last_seen_ms: one.last_seen.as_millis(),
        times: one.times,
        detail,
    }
}

/// The programs of the processes that verdicts name; of all processes, if one names none. The agent's own are not
/// among them.
pub(crate) fn images(
    sensors: &mut Sensors,
    members: &Members,
    verdicts: &[Verdict],
) -> Vec<v1::Image> {
    let named = |process: u32| verdicts.iter().any(|one| [0, process].contains(&one.process));
    let mut images: Vec<v1::Image> = Vec::new();
    for process in members.processes().into_iter().take(PROCESSES) {
        if !named(process) || sensors.is_own(process) {
            continue;
        }
        let Some(digest) = sensors.digests.of(process) else { continue };
        let path = fs::read_link(proc::path(process, "exe")).unwrap_or_default();
        let shared = is_of_host(process, &path);
        let path = path.to_string_lossy().into_owned();
        let image = v1::Image { digest: digest.to_vec(), path, shared };
        if images.len() < IMAGES && !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

/// Whether a process runs a file of the host's own: in one of its folders, and not one of that name in a container.
fn is_of_host(process: u32, path: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let is_there =
        || identity(path).is_some_and(|here| identity(&proc::path(process, "exe")) == Some(here));
    SYSTEM.iter().any(|folder| path.starts_with(folder)) && is_there()
}

/// Describes a task: the policy by which it was watched, verdicts, counters, processes with their files, digests,
/// connections and maps.
///
/// Neither arguments nor environments are in it: they hold secrets.
pub fn evidence(
    sensors: &mut Sensors,
    members: &Members,
    verdicts: &[Verdict],
    policy: &str,
    now: Now,
) -> Bundle {
    let processes = members.processes();
    let mut text = String::new();
    let digests = &mut sensors.digests;
    let used = usage::usage(&processes, 0, None);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "time-ms {}", now.wall.as_millis());
    let _ = writeln!(text, "policy {}", if policy.is_empty() { "unknown" } else { policy });
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
        describe(*process, digests, &mut text);
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
        let _ = writeln!(text, "map {}", calm(line));
    }
    if lines > LINES {
        let _ = writeln!(text, "maps-left-out {}", lines - LINES);
    }
}

/// A line without control characters: names of files may have any.
fn calm(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn cut(mut text: String) -> Bundle {
    const END: &str = "\ncut here: the bundle has reached its bound\n";
    if text.len() <= EVIDENCE_BYTES {
        return Bundle { text, cut: false };
    }
    let mut length = EVIDENCE_BYTES - END.len();
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
    text.push_str(END);
    Bundle { text, cut: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_break_lines_or_move_a_cursor() {
        assert_eq!(
            calm("7f00-7f01 r-xp /tmp/\u{1b}[2J\u{9b}x"),
            "7f00-7f01 r-xp /tmp/\u{fffd}[2J\u{fffd}x"
        );
    }
}
