//! A node or a scheduler whose disk is full: who is told what, and that it goes on when there is room again.
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
    assert!(told.contains("40000000") && told.contains("never fit"), "{told}");
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

/// A cell whose scheduler has a disk of its own, with a file in the way that can be removed, and one node elsewhere.
struct Scheduler {
    cell: Cell,
    disk: Disk,
    _folder: tempfile::TempDir,
}

impl Scheduler {
    fn new(mib: u32, in_the_way: usize) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            drop(writeln!(std::io::stderr(), "SKIPPED: only root mounts a small disk"));
            return None;
        }
        let (folder, disk) = (scratch(), Disk::mount(mib << 10));
        std::fs::write(disk.path().join("filler"), vec![0_u8; in_the_way << 20]).unwrap();
        symlink(disk.path(), folder.path().join("scheduler")).unwrap();
        let mut cell = Cell::start(folder.path(), &[]);
        cell.add_agent("n1", &["--cpus", "4"]);
        Some(Self { cell, disk, _folder: folder })
    }

    /// Asks until the answer has this code among its remarks.
    #[track_caller]
    fn until_remarked(&self, arguments: &[&str], code: &str) -> String {
        let mut last = serde_json::Value::Null;
        for _ in 0..1000 {
            last = self.cell.cli.json(arguments);
            let remarks = last["remarks"].as_array().cloned().unwrap_or_default();
            if let Some(one) = remarks.iter().find(|one| one["code"] == code) {
                return one["text"].as_str().unwrap().to_owned();
            }
        }
        panic!("{code} is not told: {last}");
    }
}

#[test]
fn what_tasks_print_never_takes_the_room_of_the_ledger_and_comes_when_there_is_room_again() {
    let Some(world) = Scheduler::new(64, 32) else { return };
    let cli = &world.cell.cli;
    let shell = |line: &str| cli.submit(&["--workdir", "fresh", "--", "/bin/sh", "-c", line]);

    // Enough to fill the disk to the last byte, and then some.
    let flood = shell("yes 'a line like any other'");
    let told = world.until_remarked(&["nodes"], "scheduler.low-disk");
    assert!(told.contains("keeps 3.1 MiB for its ledger"), "{told}");
    assert!(!told.contains("has 0 B free"), "{told}");

    // What is left above the reserve and what may be on its way goes to somebody else, so that it stays like that.
    let free = rustix::fs::statvfs(world.disk.path()).unwrap();
    let left = usize::try_from(free.f_bavail * free.f_frsize).unwrap().saturating_sub(17 << 20);
    std::fs::write(world.disk.path().join("others"), vec![0_u8; left]).unwrap();
    world.until_remarked(&["nodes"], "scheduler.low-disk");

    // All but output goes on.
    let quiet = shell("true");
    assert_eq!(cli.run(&["wait", &quiet]).code, 0);
    let held = shell("head -c 300000 /dev/zero | tr '\\0' x; echo last");
    world.until_remarked(&["why", &held], "scheduler.low-disk");
    world.until_remarked(&["show", &held], "scheduler.low-disk");
    cli.run(&["cancel", &flood, "--reason", "too loud"]).ok();
    assert_eq!(cli.run(&["wait", &flood]).code, 130, "its end is told although its output is not");
    let flooded = cli.json(&["show", &flood]);
    assert_eq!(flooded["state"], "cancelled");
    assert_eq!(flooded["decisions"][0]["reason"], "too loud", "{flooded}");
    assert_eq!(cli.json(&["show", &held])["state"], "running");

    world.disk.free();

    assert_eq!(cli.run(&["wait", &held]).code, 0);
    let printed = cli.run(&["logs", &held]).ok().out;
    assert!(printed.ends_with("xlast\n") && printed.len() == 300_005, "{}", printed.len());
    assert_eq!(cli.json(&["nodes"])["remarks"], serde_json::Value::Null);
}

#[test]
fn outputs_for_which_there_is_no_room_are_told_and_wait_and_those_that_never_fit_do_not() {
    let Some(world) = Scheduler::new(32, 20) else { return };
    let cli = &world.cell.cli;
    let submit = |mib: u32| {
        let line = format!("head -c {mib}M /dev/zero > out");
        cli.submit(&["--workdir", "fresh", "--outputs", "out", "--", "/bin/sh", "-c", &line])
    };

    let waits = submit(12);
    for command in ["show", "why"] {
        let told = world.until_remarked(&[command, &waits], "outputs.no-room");
        assert!(told.contains("n1") && told.contains("12582912 are to come"), "{told}");
    }
    let never = submit(40);
    assert_eq!(cli.run(&["wait", &never]).code, 0, "outputs are no part of the task's success");
    let shown = cli.json(&["show", &never]);
    let missing = shown["outputs"][0]["missing"][0].as_str().unwrap().to_owned();
    assert!(missing.contains("41943040 bytes never fit"), "{missing}");
    world.disk.free();

    assert_eq!(cli.run(&["wait", &waits]).code, 0);
    assert_eq!(cli.json(&["show", &waits])["outputs"][0]["files"][0]["bytes"], 12_582_912);
}
