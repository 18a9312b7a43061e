//! How much room a disk has, and how much of it must stay free.

use std::path::Path;

/// The most that must stay free; of a smaller disk a twentieth.
const RESERVE: u64 = 256 << 20;

/// How much room a disk has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// How much is free for whoever asks.
    pub free: u64,
    /// How large it is.
    pub total: u64,
}

impl Disk {
    /// The disk that holds a path; `None` if it cannot be asked.
    pub fn of(path: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize.max(1));
        Some(Self { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
    }

    /// What must stay free of it, so that whoever else uses it does not find it full: a twentieth, but not more than 256 MiB.
    pub fn reserve(self) -> u64 {
        RESERVE.min(self.total / 20)
    }
}
