//! Whether the kernel has killed a task for want of memory.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// How old the figure may be with which a task begins: to read it costs a tenth of a launch.
const FRESH: Duration = Duration::from_millis(100);

/// The most kills of which it is remembered whose they were.
const MOST: usize = 1024;

/// Which of the processes that the kernel has killed for want of memory were tasks.
///
/// The kernel numbers its kills for the whole machine and does not say whom it killed. A task that got a SIGKILL which
/// this agent did not send takes the first kill since it began that is not another task's for its own. What control
/// groups tell exactly is taken in the same way, so that it explains nothing else.
#[derive(Debug)]
pub(super) struct Shortage {
    /// Up to this one they are nobody's.
    before: u64,
    /// Those after it that were a task's.
    taken: BTreeSet<u64>,
    /// The number of the last kill, and when that was looked at.
    last: (u64, Duration),
}

impl Shortage {
    /// What happened before now is none of ours.
    pub(super) fn new(now: Duration) -> Self {
        let kills = kills();
        Self { before: kills, taken: BTreeSet::new(), last: (kills, now) }
    }

    /// The kills of before a task that begins now, which are none of its.
    pub(super) fn begin(&mut self, now: Duration) -> u64 {
        if now.saturating_sub(self.last.1) >= FRESH {
            self.last = (kills(), now);
        }
        self.last.0
    }

    /// Whether a task that was killed by a SIGKILL of unknown origin was killed for want of memory; `begun` is what
    /// was said when it began.
    pub(super) fn explains_a_kill(&mut self, begun: u64) -> bool {
        self.takes(begun, kills())
    }

    /// So many processes of a task were killed, as its control group tells.
    pub(super) fn tell(&mut self, begun: u64, count: u64) {
        let kills = kills();
        let most = count.min(MOST as u64);
        // Once there is none left there is none for the others, too.
        let _ = (0..most).all(|_| self.takes(begun, kills));
    }

    /// Takes the first of the kills up to the last that may be a task's.
    fn takes(&mut self, begun: u64, last: u64) -> bool {
        let first = begun.max(self.before).saturating_add(1);
        let Some(kill) = (first..=last).find(|kill| !self.taken.contains(kill)) else {
            return false;
        };
        self.taken.insert(kill);
        if self.taken.len() > MOST {
            self.before = self.taken.pop_first().unwrap_or(self.before);
        }
        true
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

    fn after(before: u64) -> Shortage {
        Shortage { before, taken: BTreeSet::new(), last: (before, Duration::ZERO) }
    }

    #[test]
    fn each_kill_explains_one_task() {
        let mut shortage = after(4);

        assert!(!shortage.takes(4, 4));
        assert!(shortage.takes(4, 6));
        assert!(shortage.takes(4, 6));
        assert!(!shortage.takes(4, 6));
    }

    #[test]
    fn what_was_killed_before_a_task_began_explains_nothing_of_it() {
        let mut shortage = after(4);

        assert!(!shortage.takes(6, 6), "somebody else of the machine was killed an hour ago");
        assert!(shortage.takes(5, 6));
    }

    #[test]
    fn in_whatever_order_they_are_heard_of_each_of_two_tasks_has_its_own_kill() {
        for order in [[4, 5], [5, 4]] {
            let mut shortage = after(4);

            assert!(order.into_iter().all(|begun| shortage.takes(begun, 6)), "{order:?}");
            assert!(!shortage.takes(4, 6));
        }
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut shortage = after(0);

        for _ in 0..MOST + 9 {
            assert!(shortage.takes(0, 1 << 20));
        }

        assert_eq!((shortage.taken.len(), shortage.before), (MOST, 9));
    }

    #[test]
    fn the_count_is_found_among_the_others() {
        assert_eq!(count("pgfault 7\noom_kill 3\noom_kill_other 9\n"), 3);
        assert_eq!(count(""), 0);
    }
}
