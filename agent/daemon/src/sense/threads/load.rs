//! What a task uses as a whole, against what its busy threads do.
//!
//! Work that goes from thread to thread, or to new threads all the time, is nobody's by the share of each. It is the
//! task's all the same, for its processes count what their threads and children have used, also those that have ended.

use std::collections::BTreeMap;

use repower_agent_core::Moment;
use repower_model::Span;

use super::super::proc;
use super::{Share, Spent, Thread};

/// The most processes whose use is added up.
const PROCESSES: usize = 512;

/// The most busy threads that are set against it.
const THREADS: usize = 256;

/// The least time over which it is taken: the kernel counts in ticks of ten milliseconds.
const OVER: Span = Span::from_secs(1);

/// How much of a processor nobody has to account for, in permille.
const UNEXPLAINED_PERMILLE: u64 = 100;

/// The use of one task over time.
#[derive(Debug, Default)]
pub(super) struct Load {
    last: Option<(Moment, u64)>,
    is_unexplained: bool,
}

impl Load {
    /// Whether the task is busier than the threads that are known to be.
    pub(super) fn is_unexplained(&self) -> bool {
        self.is_unexplained
    }

    /// Adds up what the processes have used, when it is time for it.
    pub(super) fn look(
        &mut self,
        processes: &[u32],
        shares: &mut BTreeMap<Thread, Share>,
        now: Moment,
    ) {
        if self.last.is_some_and(|(then, _)| now.since(then) < OVER) {
            return;
        }
        let used_ms = processes.iter().take(PROCESSES).map(|process| used_ms(*process)).sum();
        let mut explained_ns = 0_u64;
        let mut ended = Vec::new();
        for (thread, share) in shares.iter_mut().filter(|(_, share)| share.is_busy).take(THREADS) {
            let Some(spent) = Spent::of(*thread) else {
                ended.push(*thread);
                continue;
            };
            explained_ns = explained_ns.saturating_add(spent.ran.saturating_sub(share.counted));
            share.counted = spent.ran;
        }
        for thread in ended {
            shares.remove(&thread);
        }
        self.weigh(used_ms, explained_ns / 1_000_000, now);
    }

    fn weigh(&mut self, used_ms: u64, explained_ms: u64, now: Moment) {
        if let Some((then, before_ms)) = self.last {
            let unexplained = used_ms.saturating_sub(before_ms).saturating_sub(explained_ms);
            let elapsed = now.since(then).as_millis();
            self.is_unexplained = unexplained.saturating_mul(1000)
                >= elapsed.saturating_mul(UNEXPLAINED_PERMILLE).max(1);
        }
        self.last = Some((now, used_ms));
    }
}

/// What a process, its threads and the children that it has waited for have used, in milliseconds.
fn used_ms(process: u32) -> u64 {
    let bytes = proc::read(process, "stat", 4096).unwrap_or_default();
    let fields = proc::stat_fields(&bytes).unwrap_or_default();
    // Fields 14 to 17 of the file, of which the third is the first here.
    let ticks = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>().saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is unexplained after seconds with so many milliseconds used, and explained, in each.
    fn after(seconds: &[(u64, u64)]) -> bool {
        let mut load = Load::default();
        let (mut used, mut at) = (70_000, 0);
        load.weigh(used, 0, Moment::from_millis(at));
        for (more, explained) in seconds {
            (used, at) = (used + more, at + 1000);
            load.weigh(used, *explained, Moment::from_millis(at));
        }
        load.is_unexplained()
    }

    #[test]
    fn a_busy_task_whose_threads_all_seem_idle_is_unexplained() {
        assert!(after(&[(1000, 0)]));
        assert!(after(&[(1000, 0), (1900, 1000)]), "a second processor is used by nobody");
    }

    #[test]
    fn a_task_that_mostly_waits_or_whose_threads_are_known_is_not() {
        assert!(!after(&[]), "nothing is known yet");
        assert!(!after(&[(50, 0)]));
        assert!(!after(&[(1990, 1950)]));
        assert!(!after(&[(1000, 0), (20, 0)]), "it has ended");
    }

    #[test]
    fn use_that_falls_because_a_process_has_ended_is_none() {
        let mut load = Load::default();
        load.weigh(5000, 0, Moment::from_millis(0));

        load.weigh(100, 0, Moment::from_millis(1000));

        assert!(!load.is_unexplained());
    }
}
