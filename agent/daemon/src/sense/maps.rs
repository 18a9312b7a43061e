//! The layout of a process's memory.

use repower_agent_core::detect::{Area, Sample};

use super::proc;

/// The most bytes of a `maps` file that are read.
const BYTES: u64 = 4 << 20;

/// One line of `/proc/<pid>/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) is_readable: bool,
    pub(super) is_executable: bool,
    /// Device and inode of the file behind it; none for anonymous memory.
    pub(super) file: Option<(String, u64)>,
    /// What that file is called where the process is, as far as the kernel knows.
    pub(super) name: String,
    /// Memory that the kernel provides, such as the vdso.
    pub(super) is_special: bool,
}

/// The mappings of a process; none if it is gone or unreadable.
pub(super) fn mappings(process: u32) -> Vec<Mapping> {
    let bytes = proc::read(process, "maps", BYTES).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?.as_bytes();
    let device = words.nth(1)?;
    let inode: u64 = words.next()?.parse().ok()?;
    let name = words.next().unwrap_or_default();
    // Huge pages and shared anonymous memory have an inode and no file.
    let is_nameless =
        ["/anon_hugepage", "/dev/zero", "/SYSV"].iter().any(|no| name.starts_with(no));
    let is_file = inode != 0 && !is_nameless;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        is_readable: rights.first() == Some(&b'r'),
        is_executable: rights.get(2) == Some(&b'x'),
        file: is_file.then(|| (device.to_owned(), inode)),
        name: line
            .find('/')
            .filter(|_| is_file)
            .map(|at| line[at..].to_owned())
            .unwrap_or_default(),
        is_special: name.starts_with("[v"),
    })
}

/// The layout as a sample: what can be executed and is anonymous, and the largest of the rest.
pub(super) fn sample(process: u32, mappings: &[Mapping]) -> Sample {
    let plain = mappings.iter().filter(|mapping| !mapping.is_special);
    let mut areas: Vec<Area> = plain
        .map(|mapping| Area {
            bytes: mapping.end.saturating_sub(mapping.start),
            is_anonymous: mapping.file.is_none(),
            is_executable: mapping.is_executable,
        })
        .collect();
    let rank =
        |area: &Area| (area.is_anonymous && area.is_executable, area.is_anonymous, area.bytes);
    areas.sort_unstable_by_key(|area| std::cmp::Reverse(rank(area)));
    // One piece of generated code says as much as many.
    let is_generated = |area: &Area| area.is_anonymous && area.is_executable;
    let spare = areas.iter().filter(|area| is_generated(area)).count().saturating_sub(8);
    areas.drain(..spare);
    areas.truncate(Sample::AREAS);
    Sample::Mappings { process, areas }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_kinds_are_read() {
        let file =
            mapping("55d0-55e0 r-xp 00002000 fe:00 1234   /usr/bin/my prog (deleted)").unwrap();
        let heap = mapping("7f00-8f00 rw-p 00000000 00:00 0").unwrap();
        let huge = mapping("7f00-8f00 rw-s 00000000 00:0f 77 /anon_hugepage (deleted)").unwrap();
        let vdso = mapping("7ffd-7ffe r-xp 00000000 00:00 0 [vdso]").unwrap();

        assert_eq!(file.file, Some(("fe:00".to_owned(), 1234)));
        assert_eq!(file.name, "/usr/bin/my prog (deleted)");
        assert!(file.is_executable && !heap.is_executable);
        assert_eq!((heap.start, heap.end, heap.file), (0x7f00, 0x8f00, None));
        assert_eq!(huge.file, None);
        assert!(vdso.is_special);
        assert_eq!(mapping("nonsense"), None);
    }
}
