//! What of the most memory of a task is its own, where no control group counts it.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much more than this process has had the task must have had: the kernel counts roughly.
const ROUGHLY: u64 = 1 << 20;

/// The most memory that this process has had.
///
/// A new process shares it until it becomes the task, so the kernel takes it for what that has had (`exec_mmap`, in which
/// `setmax_mm_hiwater_rss` is told of the memory of before). A task that has had less says nothing of its own.
#[derive(Debug, Default)]
pub(super) struct Inherited(AtomicU64);

impl Inherited {
    /// What a task has had, in bytes; 0: nobody knows, but that it is no more than this process has had.
    pub(super) fn beyond(&self, peak: u64) -> u64 {
        let is_own = |own: u64| peak > own.saturating_add(ROUGHLY);
        // It only ever grows, so what was known of it before is enough for all that had less.
        if !is_own(self.0.load(Ordering::Relaxed)) {
            return 0;
        }
        let Some(own) = high_mark(&fs::read_to_string("/proc/self/status").unwrap_or_default())
        else {
            return 0;
        };
        if is_own(self.0.fetch_max(own, Ordering::Relaxed).max(own)) { peak } else { 0 }
    }
}

/// What a status says of the most memory of its process, in bytes.
fn high_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_more_than_this_process_has_had_says_nothing() {
        let own = high_mark(&fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        let inherited = Inherited::default();

        assert_eq!(inherited.beyond(4096), 0);
        assert_eq!(inherited.beyond(own), 0);
        let large = own + (1 << 30);
        assert_eq!(inherited.beyond(large), large);
    }

    #[test]
    fn the_mark_is_found_among_the_others() {
        assert_eq!(high_mark("VmPeak:\t 9 kB\nVmHWM:\t  1024 kB\nVmRSS:\t 5 kB\n"), Some(1 << 20));
        assert_eq!(high_mark("VmRSS:\t 5 kB\n"), None);
    }
}
