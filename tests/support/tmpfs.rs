//! A small disk of its own, which can be filled and be made read-only.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cli::Said;
use super::shared::scratch;

/// A mounted tmpfs; unmounted when dropped.
pub(crate) struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Mounts one of so many KiB, which takes root.
    pub(crate) fn mount(kib: u32) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test mounts a small disk\nhint: run the tests as root, as CI does"
        );
        let folder = scratch();
        let options = format!("size={kib}k,mode=700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path());
        let said = Said::by(&mut command, b"");
        assert_eq!(said.code, 0, "hint: mounting must be allowed here, as in CI\n{said:?}");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn make_read_only(&self) {
        let mut command = Command::new("mount");
        Said::by(command.args(["-o", "remount,ro"]).arg(self.path()), b"").ok();
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let mut piece = vec![0; 1 << 16];
        while !piece.is_empty() {
            // Smaller and smaller pieces, until not a byte has room.
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        let said = Said::by(command.arg("--lazy").arg(self.path()), b"");
        assert!(std::thread::panicking() || said.code == 0, "{said:?}");
    }
}
