//! Trees of device files as drivers make them. The devices themselves are harmless ones.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tempfile::TempDir;

use super::{Devices, Maker, Number};

/// Device files of a host, by their paths below `dev`; those of memory devices have their minor numbers.
pub(crate) fn tree(files: &[(&str, u32)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, minor) in files {
        add(root.path(), path, *minor);
    }
    root
}

fn add(root: &Path, path: &str, minor: u32) {
    let path = root.join("dev").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, &path, FileType::CharacterDevice, mode, makedev(1, minor)).unwrap();
    // Whatever the umask is.
    rustix::fs::chmod(&path, mode).unwrap();
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn shown(devices: &Devices, gpus: &[u64]) -> Vec<String> {
    let found = devices.now().unwrap();
    let files = found.files(gpus).into_iter();
    files.map(|file| file.shown.to_str().unwrap().to_owned()).collect()
}

fn denied(devices: &Devices, gpus: &[u64]) -> Vec<u32> {
    let denied = devices.now().unwrap().denied(gpus);
    assert!(denied.iter().all(|number| number.major == 1));
    denied.iter().map(|number| number.minor).collect()
}

#[test]
fn a_host_without_gpus_has_none_until_somebody_looks_again() {
    let root = tree(&[("null", 3), ("dri/card0", 8), ("nvidiactl", 9), ("nvidia-uvm", 5)]);
    let devices = Devices::look(root.path());
    assert!(devices.now().is_none(), "a screen is no GPU, nor is a driver without cards");

    add(root.path(), "nvidia0", 7);

    assert!(devices.now().is_none(), "nobody has looked");
    assert_eq!(devices.again().unwrap().numbers(), [0]);
    assert!(devices.now().is_some());
}

#[test]
fn a_card_of_nvidia_has_the_number_of_its_file_and_what_its_driver_needs() {
    let root = tree(&[
        ("nvidia0", 1),
        ("nvidia2", 2),
        ("nvidiactl", 3),
        ("nvidia-uvm", 4),
        ("nvidia-caps/nvidia-cap1", 5),
        ("nvidia-modeset", 6),
        ("nvidia0x", 20),
        ("dri/card0", 7),
        ("dri/renderD128", 8),
        ("dri/renderD129", 9),
        ("kfd", 10),
    ]);
    write(
        root.path(),
        "proc/driver/nvidia/gpus/0000:65:00.0/information",
        "Model: X\nDevice Minor: \t 2\n",
    );
    write(
        root.path(),
        "sys/class/drm/renderD129/device/uevent",
        "DRIVER=nvidia\nPCI_SLOT_NAME=0000:65:00.0\n",
    );
    write(
        root.path(),
        "sys/class/drm/renderD128/device/uevent",
        "DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0\n",
    );

    let devices = Devices::look(root.path());

    let found = devices.now().unwrap();
    assert_eq!((found.maker, found.numbers()), (Maker::Nvidia, vec![0, 2]));
    let common = [
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
        "/dev/nvidia-modeset",
        "/dev/nvidia-caps/nvidia-cap1",
    ];
    assert_eq!(shown(&devices, &[0]), [&["/dev/nvidia0"][..], &common].concat());
    assert_eq!(
        shown(&devices, &[2]),
        [&["/dev/nvidia2", "/dev/dri/renderD129"][..], &common].concat()
    );
    assert!(shown(&devices, &[]).is_empty());
    assert_eq!(denied(&devices, &[0]), [2, 7, 8, 9, 10]);
    assert_eq!(denied(&devices, &[]), (1..=10).collect::<Vec<_>>());
    let guarded = found.files(&[0]).iter().filter(|file| file.is_guarded).count();
    assert_eq!(guarded, 1);
}

#[test]
fn cards_of_amd_are_counted_and_no_others_where_there_are_some() {
    let files = [("dri/renderD128", 1), ("dri/renderD130", 2), ("dri/renderD131", 3), ("kfd", 4)];
    let root = tree(&files);
    let devices = Devices::look(root.path());
    assert_eq!(devices.now().unwrap().maker, Maker::Amd);
    assert_eq!(devices.now().unwrap().numbers(), [0, 1, 2]);
    assert_eq!(shown(&devices, &[1]), ["/dev/dri/renderD130", "/dev/kfd"]);

    for number in [130, 131] {
        let path = format!("sys/class/drm/renderD{number}/device/uevent");
        write(root.path(), &path, "DRIVER=amdgpu\n");
    }
    let devices = Devices::look(root.path());

    assert_eq!(devices.now().unwrap().numbers(), [0, 1]);
    assert_eq!(shown(&devices, &[1]), ["/dev/dri/renderD131", "/dev/kfd"]);
    assert_eq!(denied(&devices, &[0, 1]), [1], "that of the processor is given to nobody");
}

#[test]
fn what_comes_and_goes_is_seen_where_there_are_gpus() {
    let root = tree(&[("nvidia0", 1)]);
    let devices = Devices::look(root.path());
    let before = devices.now().unwrap();
    assert_eq!(before.numbers(), [0]);
    // Another time than the last, however coarse the clock of the file system is.
    let past = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
        last_modification: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
    };
    let folder = root.path().join("dev");
    add(root.path(), "nvidia1", 2);
    rustix::fs::utimensat(CWD, &folder, &past, rustix::fs::AtFlags::empty()).unwrap();

    assert_eq!(devices.now().unwrap().numbers(), [0, 1]);
    assert_eq!(before.denied(&[]), [Number { major: 1, minor: 1 }]);
}

#[test]
fn who_may_not_use_a_file_needs_its_group_but_never_that_of_root() {
    let root = tree(&[("dri/renderD128", 1), ("kfd", 2)]);
    let change = |path: &str, mode, gid| {
        let path = root.path().join("dev").join(path);
        rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).unwrap();
        std::os::unix::fs::chown(&path, None, Some(gid)).unwrap();
    };
    change("dri/renderD128", 0o660, 105);
    change("kfd", 0o660, 0);
    let groups = |gpus: &[u64]| Devices::look(root.path()).now().unwrap().groups(gpus);

    assert_eq!(groups(&[0]), [105]);
    assert!(groups(&[]).is_empty());
    change("dri/renderD128", 0o666, 105);
    assert!(groups(&[0]).is_empty());
}
