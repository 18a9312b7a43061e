//! How fast the tasks of a job go, and how many may therefore wait on a node beyond its slots.
//!
//! A slot that becomes free should not wait for the network. So tasks that are known to be short
//! are sent to a node before there is room for them, as many as it finishes in a few round trips.

use repower_model::{Cpus, Resources};

/// What a node should have waiting, in microseconds of its work: a few round trips with a commit
/// in each, on a loaded machine, and the time for which it gathers what it reports.
const AHEAD_US: u64 = 40_000;

/// Jobs whose tasks run longer than this send nothing ahead: the round trip is small beside them,
/// and a task that waits could have gone elsewhere.
pub const SHORT_US: u64 = 50_000;

/// The shortest running time that is believed.
const LEAST_US: u64 = 250;

/// The most tasks that wait on one node.
const MOST: usize = 8192;

/// The mean after one more task that ran for `wall_us`: an exponential average with weight 1/4.
pub fn after(mean_us: Option<u64>, wall_us: u64) -> u64 {
    mean_us.map_or(wall_us, |mean| mean.saturating_mul(3).saturating_add(wall_us) / 4)
}

/// How many tasks of a job with this pace may wait on a node of this capacity.
pub fn runway(mean_us: Option<u64>, asked: &Resources, capacity: &Resources) -> usize {
    let Some(mean_us) = mean_us.filter(|mean| *mean <= SHORT_US) else {
        return 0;
    };
    let slots = slots(asked.cpus, capacity.cpus);
    let ahead = AHEAD_US.saturating_mul(slots) / mean_us.max(LEAST_US);
    usize::try_from(ahead).unwrap_or(MOST).min(MOST)
}

fn slots(asked: Cpus, capacity: Cpus) -> u64 {
    capacity.as_milli() / asked.as_milli().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(count: u64) -> Resources {
        Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
    }

    #[test]
    fn an_absurd_time_from_an_agent_does_no_harm() {
        assert_eq!(after(Some(u64::MAX), u64::MAX), u64::MAX / 4);
        assert_eq!(after(None, 8), 8);
    }

    #[test]
    fn only_short_tasks_are_sent_ahead_and_as_many_as_run_in_a_few_round_trips() {
        assert_eq!(runway(None, &cpus(1), &cpus(2)), 0);
        assert_eq!(runway(Some(60_000), &cpus(1), &cpus(2)), 0);
        assert_eq!(runway(Some(1_000), &cpus(1), &cpus(2)), 80);
        assert_eq!(runway(Some(1_000), &cpus(2), &cpus(2)), 40);
        assert_eq!(runway(Some(0), &cpus(1), &cpus(512)), MOST);
    }
}
