//! A node whose disk is full: who is told what, and that it goes on when there is room again.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;
use std::os::unix::fs::symlink;

use support::by_hand::Cell;
use support::cli::Cli;
use support::shared::{file, scratch};
use support::tmpfs::Disk;

/// A cell with one node, the data folder of which is a disk of its own.
struct World {
    cell: Cell,
    disk: Disk,
    folder: tempfile::TempDir,
}

impl World {
    /// `None`, and a line that says so, where no disk can be mounted.
    fn new(mib: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            drop(writeln!(std::io::stderr(), "SKIPPED: only root mounts a small disk"));
            return None;
        }
        let (folder, disk) = (scratch(), Disk::mount(mib << 10));
        symlink(disk.path(), folder.path().join("n1")).unwrap();
        let mut cell = Cell::start(folder.path(), &[]);
        cell.add_agent("n1", &["--cpus", "1"]);
        Some(Self { cell, disk, folder })
    }

    fn cli(&self) -> &Cli {
        &self.cell.cli
    }

    /// Submits, waits for the end, and returns the exit code.
    fn code(&self, arguments: &[&str]) -> i32 {
        let job = self.cli().submit(&[&["--workdir", "fresh"], arguments].concat());
        self.cli().run(&["wait", &job]).code
    }

    /// Submits what is not started, and returns why.
    fn refused(&self, arguments: &[&str]) -> String {
        let once = ["--workdir", "fresh", "--system-retries", "0"];
        let job = self.cli().submit(&[&once, arguments].concat());
        assert_ne!(self.cli().run(&["wait", &job]).code, 0);
        let shown = self.cli().json(&["show", &format!("{job}.0")]);
        let last = shown["attempts"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["outcome"]["kind"], "not-started", "{last}");
        last["outcome"]["detail"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_task_that_fills_the_disk_with_its_folder_fails_by_itself_and_leaves_room_for_the_next() {
    let Some(world) = World::new(24) else { return };

    let full = "head -c 100000000 /dev/zero > big; [ $? -ne 0 ] && [ -s big ] && exit 6";
    assert_eq!(world.code(&["--", "/bin/sh", "-c", full]), 6);

    let next = "head -c 8000000 /dev/zero > some && echo fits";
    assert_eq!(world.code(&["--", "/bin/sh", "-c", next]), 0, "what was in the way is gone");
}

#[test]
fn a_script_for_which_there_is_no_room_is_not_started_and_says_what_to_do() {
    let Some(world) = World::new(24) else { return };
    let script = file(world.folder.path(), "run.sh", "#!/bin/sh\nexit 3\n");
    assert_eq!(world.code(&[&script]), 3);
    world.disk.fill();

    let told = world.refused(&[&script]);
    world.disk.free();

    assert!(told.contains("cannot be written to the agent's data folder"), "{told}");
    assert!(told.contains("No space left") && told.contains("make room"), "{told}");
    assert_eq!(world.code(&[&script]), 3);
}

#[test]
fn an_input_that_does_not_fit_is_told_with_what_is_free_and_one_that_fits_comes() {
    let Some(world) = World::new(24) else { return };
    let large = file(world.folder.path(), "large", vec![7_u8; 40_000_000]);
    let small = file(world.folder.path(), "small", vec![7_u8; 1_000_000]);

    let told = world.refused(&["--input", &large, "--", "true"]);

    assert!(told.contains("the input \"large\" cannot be had"), "{told}");
    assert!(told.contains("40000000") && told.contains("free"), "{told}");
    let line = "[ $(wc -c < small) = 1000000 ]";
    assert_eq!(world.code(&["--input", &small, "--", "/bin/sh", "-c", line]), 0);
}

#[test]
fn inputs_that_fit_once_and_not_twice_are_told_when_the_task_would_have_its_own() {
    let Some(world) = World::new(24) else { return };
    let input = file(world.folder.path(), "most", vec![7_u8; 14_000_000]);

    // In the cache there is room for it, and none for the copy of the task.
    let told = world.refused(&["--input", &input, "--", "true"]);

    assert!(told.contains("most") && told.contains("No space left"), "{told}");
    assert_eq!(world.code(&["--", "true"]), 0, "what was copied of it is gone");
}
