//! A small file system of its own, where the test may mount one.

use std::path::Path;
use std::process::Command;

/// A mounted tmpfs; unmounted when dropped.
pub(super) struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// Mounts one of so many KiB; `None` where that is not allowed: it takes root.
    pub(super) fn mount(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={kib}k,mode=700");
        let mounted = run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(folder.path()));
        mounted.then_some(Self { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn make_read_only(&self) {
        assert!(run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path())));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        assert!(run(Command::new("umount").arg("-l").arg(self.path())));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
