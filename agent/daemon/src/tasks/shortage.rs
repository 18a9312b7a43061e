//! Whether the kernel has killed a task for want of memory.

use std::fs;

/// How many processes the kernel has killed for want of memory, and how many of them are explained.
///
/// The kernel counts for the whole machine and does not say whom it killed, so a task that got a
/// SIGKILL which this agent did not send takes one unexplained kill for its own. Control groups will
/// tell it exactly.
#[derive(Debug)]
pub(super) struct Shortage {
    explained: u64,
}

impl Shortage {
    /// What happened before now is none of ours.
    pub(super) fn new() -> Self {
        Self { explained: kills() }
    }

    /// Whether a task that was killed by a SIGKILL of unknown origin was killed for want of memory.
    pub(super) fn explains_a_kill(&mut self) -> bool {
        self.takes_one_of(kills())
    }

    fn takes_one_of(&mut self, kills: u64) -> bool {
        let unexplained = kills > self.explained;
        self.explained += u64::from(unexplained);
        unexplained
    }
}

/// How many processes the kernel has killed for want of memory since it started.
fn kills() -> u64 {
    count(&fs::read_to_string("/proc/vmstat").unwrap_or_default())
}

fn count(vmstat: &str) -> u64 {
    let number = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    number.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_explains_one_task() {
        let mut shortage = Shortage { explained: 4 };

        assert!(!shortage.takes_one_of(4));
        assert!(shortage.takes_one_of(6));
        assert!(shortage.takes_one_of(6));
        assert!(!shortage.takes_one_of(6));
    }

    #[test]
    fn the_count_is_found_among_the_others() {
        assert_eq!(count("pgfault 7\noom_kill 3\noom_kill_other 9\n"), 3);
        assert_eq!(count(""), 0);
    }
}
