//! Memory of this process, as a sensor sees it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::maps;
use super::*;

/// A page.
const PAGE: usize = 4096;

/// Three constants of a proof-of-work function, as its specification has them in section 7.3, each plus one.
fn constants() -> Vec<u8> {
    let plus_one =
        [9_298_411_001_130_361_341_u64, 12_065_312_585_734_608_967, 9_306_329_213_124_626_781];
    plus_one.iter().flat_map(|one| (one - std::hint::black_box(1)).to_le_bytes()).collect()
}

/// An area of this process.
struct Area {
    start: *mut u8,
    length: usize,
}

#[expect(unsafe_code, reason = "what is looked at is memory that was mapped for it")]
impl Area {
    fn new(length: usize, file: Option<&File>) -> Self {
        let flags = libc::MAP_PRIVATE | if file.is_some() { 0 } else { libc::MAP_ANONYMOUS };
        let file = file.map_or(-1, std::os::fd::AsRawFd::as_raw_fd);
        // SAFETY: the kernel chooses the place, which is nobody else's.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, flags, file, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: start.cast(), length }
    }

    fn protect(&self, rights: i32) {
        // SAFETY: the area is this test's, and nothing refers into it.
        assert_eq!(unsafe { libc::mprotect(self.start.cast(), self.length, rights) }, 0);
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.protect(libc::PROT_READ | libc::PROT_WRITE);
        assert!(at + bytes.len() <= self.length);
        // SAFETY: within the area, which can be written, and nothing else refers into it.
        unsafe { self.start.add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// What a look at it finds.
    fn look(&self, scanner: &mut Scanner) -> bool {
        let mut budget = 16 << 20;
        let (start, process) = (self.start as u64, std::process::id());
        let mut mappings = maps::mappings(process);
        // Neighbours of the same kind may have been merged with it.
        let end = start + self.length as u64;
        mappings.retain_mut(|one| {
            (one.start, one.end) = (one.start.max(start), one.end.min(end));
            one.start < one.end
        });
        assert!(!mappings.is_empty());
        let sample = scanner.scan(process, &mappings, &mut budget);
        sample.is_some_and(|one| {
            let Sample::Memory(memory) = one else { panic!("{one:?}") };
            memory.hits.is_proof_of_work()
        })
    }
}

#[expect(unsafe_code, reason = "it was mapped above")]
impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers into it.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}

fn file(path: &Path) -> File {
    fs::write(path, vec![0x90; 4 * PAGE]).unwrap();
    File::open(path).unwrap()
}

#[test]
fn memory_that_can_be_executed_and_not_read_is_looked_at() {
    let area = Area::new(2 * PAGE, None);
    area.write(100, &constants());
    area.protect(libc::PROT_EXEC);

    assert!(area.look(&mut Scanner::new()));
}

#[test]
fn pages_of_a_known_file_that_a_process_writes_over_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let area = Area::new(4 * PAGE, Some(&file(&folder.path().join("image"))));
    let mut scanner = Scanner::new();
    area.protect(libc::PROT_READ | libc::PROT_EXEC);

    assert!(!area.look(&mut scanner));
    area.write(2 * PAGE + 8, &constants());
    area.protect(libc::PROT_READ | libc::PROT_EXEC);

    assert!(area.look(&mut scanner));
}

#[test]
fn a_known_file_that_is_written_in_place_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let area = Area::new(4 * PAGE, Some(&file(&path)));
    area.protect(libc::PROT_READ | libc::PROT_EXEC);
    let mut scanner = Scanner::new();
    assert!(!area.look(&mut scanner));
    let changed = || {
        let data = fs::metadata(&path).unwrap();
        (data.ctime(), data.ctime_nsec())
    };

    let before = changed();
    let written = File::options().write(true).open(&path).unwrap();
    // The kernel's clock for files goes in steps.
    while changed() == before {
        written.write_all_at(&constants(), 64).unwrap();
    }

    assert!(area.look(&mut scanner));
}

#[test]
fn a_file_that_was_deleted_may_change_and_is_read_at_each_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let area = Area::new(4 * PAGE, Some(&file(&path)));
    let written = File::options().write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    area.protect(libc::PROT_READ | libc::PROT_EXEC);
    let mut scanner = Scanner::new();

    assert!(!area.look(&mut scanner));
    let before = written.metadata().unwrap();
    let changed = || written.metadata().unwrap().ctime_nsec() != before.ctime_nsec();
    while !changed() {
        written.write_all_at(&constants(), 64).unwrap();
    }

    assert!(area.look(&mut scanner));
}

#[test]
fn what_lies_behind_many_megabytes_of_a_process_s_own_has_its_turn() {
    let area = Area::new(20 << 20, None);
    // Where a look ends: half of them before it.
    area.write((16 << 20) - 12, &constants());
    area.protect(libc::PROT_EXEC);
    let mut scanner = Scanner::new();

    let found: Vec<bool> = (0..3).map(|_| area.look(&mut scanner)).collect();

    assert_eq!(found, [false, false, true]);
}
