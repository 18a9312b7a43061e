//! Tasks with GPUs and without, on hosts whose GPUs are harmless devices.

use tempfile::TempDir;

use super::harness::{Level, Room, limits};
use crate::sandbox::abilities::name;
use crate::sandbox::cgroup::Limits;
use crate::sandbox::device_tree;
use crate::sandbox::devices::Devices;

const LEVELS: [(Level, &str); 4] = [
    (Level::Bare, name::DEVICES),
    (Level::Boxed, name::BOXED),
    (Level::Listed, name::ALLOW_LIST),
    (Level::Sealed, name::SEALED),
];

/// A host with two GPUs: `full` and `zero`, and `random` that goes with both.
fn host() -> (TempDir, Room) {
    let root = device_tree(&[("nvidia0", 7), ("nvidia1", 5), ("nvidiactl", 8), ("null", 3)]);
    let room = Room::with(Devices::look(root.path()));
    (root, room)
}

/// Which of the device files a task of this level can open.
fn opened(root: &TempDir, room: &Room, level: Level, limits: Limits) -> Vec<String> {
    // In a box they are where they belong.
    let folder = if level == Level::Bare { root.path().join("dev") } else { "/dev".into() };
    let script = format!(
        "cd {}; for file in nvidia0 nvidia1 nvidiactl null; do head -c0 < $file && echo $file; done 2> /dev/null; true",
        folder.display()
    );
    let end = room.run(level, limits, &script);
    assert_eq!(end.code, Some(0), "{level:?}: {end:?}");
    end.output.lines().map(str::to_owned).collect()
}

#[test]
fn a_task_opens_its_own_gpus_and_no_others_whatever_ran_before_in_its_group() {
    let (root, mut room) = host();
    for (level, ability) in LEVELS {
        if !room.can(ability) {
            continue;
        }
        for limits in [Limits::default(), limits(Some(64), Some(20)), limits(None, Some(20))] {
            let given: [(&[u64], &[&str]); 5] = [
                (&[], &["null"]),
                (&[1], &["nvidia1", "nvidiactl", "null"]),
                (&[0, 1], &["nvidia0", "nvidia1", "nvidiactl", "null"]),
                (&[0], &["nvidia0", "nvidiactl", "null"]),
                (&[], &["null"]),
            ];
            for (gpus, files) in given {
                room.gpus = gpus.to_vec();
                assert_eq!(opened(&root, &room, level, limits), files, "{level:?} {limits:?}");
            }
        }
    }
}

#[test]
fn a_gpu_in_a_box_can_be_written_to_and_asked_what_only_devices_are_asked() {
    let (_root, mut room) = host();
    if !room.can(name::BOXED) {
        return;
    }
    room.gpus = vec![1];
    let script = r#"echo x > /dev/nvidia1 && perl -e 'open(F, "+<", "/dev/nvidia1"); ioctl(F, 0x5401, $x); print $!{ENOTTY} ? "asked" : "$!"'"#;

    let end = room.run(Level::Boxed, Limits::default(), script);

    assert_eq!((end.code, end.output.as_str()), (Some(0), "asked"), "{end:?}");
}

#[test]
fn a_box_has_the_files_of_its_gpus_in_their_folders_and_guarded_ones_as_they_are() {
    let files = [("nvidia0", 7), ("nvidia-caps/nvidia-cap1", 5), ("dri/renderD128", 8)];
    let root = device_tree(&files);
    let guarded = root.path().join("dev/nvidia-caps/nvidia-cap1");
    rustix::fs::chmod(&guarded, rustix::fs::Mode::from_raw_mode(0o400)).unwrap();
    let mut room = Room::with(Devices::look(root.path()));
    if !room.can(name::BOXED) || !room.can(name::USERS) {
        return;
    }
    room.gpus = vec![0];

    let script = "find /dev -name '*nvidia*' | sort; [ -e /dev/dri ] || echo no folder; cat /dev/nvidia-caps/nvidia-cap1 2>&1";
    let end = room.run(Level::Boxed, Limits::default(), script);

    let lines: Vec<&str> = end.output.lines().collect();
    let shown = ["/dev/nvidia-caps", "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia0"];
    assert_eq!(&lines[..3], shown, "{end:?}");
    assert_eq!(lines[3], "no folder", "nobody has what is in it: {end:?}");
    assert!(end.output.contains("ermission denied"), "{end:?}");
}

#[test]
fn tasks_of_a_host_without_gpus_are_in_no_group_for_devices() {
    let root = device_tree(&[("null", 3)]);
    let room = Room::with(Devices::look(root.path()));

    let script = "grep -E ':devices:|^0::' /proc/self/cgroup";
    let end = room.run(Level::Bare, Limits::default(), script);

    assert!(!end.output.contains(&room.name), "{end:?}");
}
