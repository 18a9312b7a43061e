//! Limits and the end of tasks that do not care for them.

use std::fs;
use std::io::Write as _;

use super::harness::{Level, Room, limits};
use crate::sandbox::abilities::name;
use crate::sandbox::cgroup::Limits;

#[test]
fn a_task_that_kills_its_parent_ends_and_nothing_else_does() {
    let room = Room::new();
    if !room.can(name::BOXED) {
        return;
    }
    // Its parent is the first process of its namespace, which the kernel keeps from its children.
    let end =
        room.run(Level::Boxed, Limits::default(), "kill -KILL $PPID; kill -KILL -1; echo alive");
    assert!(end.code == Some(0) || end.signal == Some(libc::SIGKILL), "{end:?}");

    let end = room.run(Level::Boxed, Limits::default(), "exit 3");
    assert_eq!(end.code, Some(3));
}

#[test]
fn a_signal_to_the_box_reaches_the_task_inside_and_the_task_may_handle_it() {
    let room = Room::new();
    if !room.can(name::BOXED) {
        return;
    }
    // The task asks the first process of its namespace, as the executor does from outside.
    let script = "trap 'echo got it; exit 7' TERM; kill -TERM 1 2>/dev/null || kill -TERM $$; \
                  while :; do sleep 0.01; done";

    let end = room.run(Level::Boxed, Limits::default(), script);

    assert_eq!((end.code, end.output.as_str()), (Some(7), "got it\n"));
}

#[test]
fn a_limit_below_what_the_program_needs_is_told_and_takes_nothing_else_along() {
    let room = Room::new();
    if !room.can(name::LIMIT_MEMORY) {
        return;
    }
    for level in [Level::Bare, Level::Boxed] {
        for kib in [4, 16, 64, 128, 256] {
            let work = room.work(&format!("{level:?}-{kib}"));
            let limits =
                Limits { memory: Some(repower_model::Bytes::new(kib << 10)), ..Limits::default() };
            let ended = room.attempt(level, limits, "red", &work, &["/bin/sh", "-c", "echo x"]);
            eprintln!("{level:?} {kib} KiB: {ended:?}");
            match ended {
                Err(failure) => assert!(failure.wants_memory(), "{failure:?}"),
                Ok(end) if end.code == Some(0) => {}
                Ok(end) => assert!(end.figures.memory_kills > 0 || end.signal.is_some(), "{end:?}"),
            }
        }
    }
}

#[test]
fn a_group_that_is_used_again_has_forgotten_the_task_before() {
    let room = Room::new();
    if !room.can(name::LIMIT_MEMORY) {
        return;
    }
    let hog = "head -c 30m /dev/zero | tail -c 20m | wc -c";
    let large = room.run(Level::Bare, limits(Some(64), Some(20)), hog);
    assert!(large.figures.peak_memory.unwrap() > repower_model::Bytes::from_mib(19), "{large:?}");

    for _ in 0..5 {
        let small = room.run(Level::Bare, limits(Some(64), Some(20)), "echo small");

        assert!(
            small.figures.peak_memory.unwrap() < repower_model::Bytes::from_mib(8),
            "{small:?}"
        );
        assert_eq!(small.figures.memory_kills, 0);
    }
}

#[test]
fn processes_beyond_the_limit_are_refused() {
    let room = Room::new();
    if !room.can(name::LIMIT_PIDS) {
        return;
    }
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; wait";

    let end = room.run(Level::Bare, limits(None, Some(4)), script);

    assert_ne!(end.code, Some(0), "{end:?}");
}

#[test]
fn what_has_no_limit_but_of_processes_is_in_no_other_group_of_version_1() {
    let room = Room::new();
    if !room.can(name::LIMIT_PIDS) || !room.can(name::CGROUP_V1) {
        return;
    }

    let narrow = room.run(Level::Bare, limits(None, Some(9)), "cat /proc/self/cgroup");
    let wide = room.run(Level::Bare, limits(Some(64), Some(9)), "cat /proc/self/cgroup");
    let again = room.run(Level::Bare, limits(None, Some(9)), "cat /proc/self/cgroup");

    let held = |end: &super::harness::End| {
        let lines = end.output.lines().filter(|line| line.contains(&room.name));
        lines.map(|line| line.split(':').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    for one in [&narrow, &again] {
        assert_eq!(held(one), ["pids"], "{one:?}");
        assert_eq!((one.figures.peak_memory, one.figures.counts_kills), (None, false));
    }
    assert!(held(&wide).len() > 1 && wide.figures.peak_memory.is_some(), "{wide:?}");
}

#[test]
fn a_pinned_task_runs_on_processors_that_no_other_pinned_one_has() {
    let mut room = Room::new();
    if !room.can(name::CPUSET) {
        return;
    }
    let all = std::thread::available_parallelism().unwrap().get();
    if all < 2 {
        drop(writeln!(std::io::stderr(), "SKIPPED: this host has one processor"));
        return;
    }
    let line = "grep Cpus_allowed_list /proc/self/status | cut -f2; sh -c 'grep Cpus_allowed_list /proc/self/status | cut -f2'";
    let anywhere = room.run(Level::Bare, Limits::default(), line);
    let other = room.host.pin(1).unwrap().unwrap();

    room.pins = 1;
    let bare = room.run(Level::Bare, Limits::default(), line);
    let limited = room.run(Level::Bare, limits(Some(64), Some(20)), line);
    let few = room.host.pin(all).unwrap_err().to_string();

    for end in [&bare, &limited] {
        let lines: Vec<&str> = end.output.lines().collect();
        assert_eq!((end.code, lines.len()), (Some(0), 2), "{end:?}");
        assert!(lines[0].parse::<u32>().is_ok() && lines[0] == lines[1], "{end:?}");
        assert_ne!(lines[0], other.list());
    }
    assert!(few.contains(&format!("asks for {all} processors")), "{few}");
    drop(other);
    assert!(room.host.pin(all).unwrap().is_some(), "what has ended has given back what it had");
    if room.can(name::BOXED) {
        let boxed = room.run(Level::Boxed, limits(Some(64), Some(20)), line);
        assert_eq!(boxed.output.lines().count(), 2, "{boxed:?}");
        assert!(boxed.output.lines().all(|line| line.parse::<u32>().is_ok()), "{boxed:?}");
    }
    room.pins = 0;
    let after = room.run(Level::Bare, limits(Some(64), Some(20)), line);
    assert_eq!(after.output, anywhere.output, "a group that is used again pins nobody");
}

#[test]
fn projects_have_users_of_their_own_who_cannot_read_each_other() {
    let room = Room::new();
    if !room.can(name::USERS) || !room.can(name::BOXED) {
        return;
    }
    let (red, blue) = (room.work("of-red"), room.work("of-blue"));
    let own = "id -u; umask 077; echo secret > file";
    let first = room.run_in(Level::Boxed, Limits::default(), "red", &red, own);
    let second = room.run_in(Level::Boxed, Limits::default(), "blue", &blue, own);
    assert_ne!(first.output, second.output);
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first:?} {second:?}");

    let script = format!("cat {}/file", red.display());
    let end = room.run_in(Level::Boxed, Limits::default(), "blue", &blue, &script);

    assert_ne!(end.code, Some(0), "{end:?}");
    assert_eq!(fs::read_to_string(red.join("file")).unwrap(), "secret\n");
}

#[test]
fn nothing_is_left_of_the_groups_of_a_host_that_is_gone() {
    let room = Room::new();
    if !room.can(name::LIMIT_PIDS) {
        return;
    }
    room.run(Level::Bare, limits(Some(64), Some(20)), "true");
    let name = room.name.clone();
    drop(room);

    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let groups = mounts.lines().filter(|line| line.starts_with("cgroup"));
    for mount in groups.filter_map(|line| line.split(' ').nth(1)) {
        let found =
            std::process::Command::new("find").args([mount, "-name", &name]).output().unwrap();
        assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    }
}
