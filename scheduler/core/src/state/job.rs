//! A job that has not ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use repower_model::{
    ApprovalId, Array, Dependency, FindingId, Hash, Indices, JobId, JobSpec, JobState, Key, Mark,
    NodeId, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Runs, Saved};
use crate::plan::pace;
use crate::policy::Tier;

/// A job that has not ended. Sets of tasks are sets of *places* in its array, so that they stay
/// intervals whatever the steps of the array are.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own, asked by name")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The client's key.
    pub key: Key,
    /// Who asked.
    pub submitter: String,
    /// What for.
    pub spec: Arc<JobSpec>,
    /// How the policy treats its class.
    pub tier: Tier,
    /// The policy that says so.
    pub policy: Hash,
    /// When it was accepted.
    pub submitted: Timestamp,
    /// When a task of it could first have gone: its age counts from there.
    pub eligible: Option<Timestamp>,
    /// When its first task was placed.
    pub started: Option<Timestamp>,
    /// Whether it waits for a review.
    pub review: bool,
    /// Whether somebody has decided that it may run, for this job alone.
    pub cleared: bool,
    /// The approval that it rests on.
    pub approval: Option<ApprovalId>,
    /// Whether the policy in force lets nothing of it start: its class is prohibited, or none any more.
    pub barred: bool,
    /// What was found in what it brings along.
    pub marks: Vec<Mark>,
    /// Whether a person has to look because of them.
    pub is_suspect: bool,
    /// Findings for which none of its tasks may start until somebody has looked.
    pub findings: BTreeSet<FindingId>,
    /// Confirmed findings about it: what of it has to run again does not.
    pub confirmed: BTreeSet<FindingId>,
    /// Dependencies that have not been settled.
    pub waits_for: Vec<Dependency>,
    /// Of those that hold task by task, the places whose counterparts have not ended as asked.
    pub open: BTreeMap<Dependency, Indices>,
    /// Pending places to which a place on nodes is promised.
    pub promised: Indices,
    /// All of these places, which wait for something of their own; they are pending.
    pub blocked: Indices,
    /// Places that wait for a node.
    pub pending: Indices,
    /// Of these, the ones that must wait until a time.
    pub delayed: BTreeSet<(Timestamp, u32)>,
    /// How many tasks are on nodes.
    pub live: u64,
    /// How many succeeded.
    pub succeeded: u64,
    /// Places that failed for good.
    pub failed: Indices,
    /// Places that were cancelled.
    pub cancelled: Indices,
    /// Whether somebody has cancelled any of it: then what has failed is not given back any more.
    pub stopped: bool,
    /// Places that were tried and have not ended, or may be given back.
    pub tries: BTreeMap<u32, Tries>,
    /// What tasks at places that have not ended have saved for their next attempts.
    pub checkpoints: BTreeMap<u32, Saved>,
    /// What the first task that failed exits with; once a black hole has given tasks back, what
    /// the lowest of those does that are left.
    pub exit_code: i32,
    /// Run times of its tasks that succeeded.
    pub runs: Runs,
    /// Mean running time of its latest tasks, in microseconds; `None` until one has ended.
    pub pace_us: Option<u64>,
    /// The first nodes, at most two, on which its tasks passed.
    pub passed_on: Vec<NodeId>,
}

/// What a task has been through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Number of the latest attempt.
    pub number: u32,
    /// Failures by the user's fault.
    pub user: u32,
    /// Failures by the system's fault.
    pub system: u32,
    /// Nodes that could not start it.
    pub avoid: Vec<NodeId>,
    /// How often in a row it has asked for another start soon after it had started.
    pub checkpoints: u32,
    /// What it exits with, if it has failed for good.
    pub exit_code: i32,
}

impl Job {
    /// The id of the task at a place of the array.
    ///
    /// # Panics
    ///
    /// If the array has no such place: the sets of this job hold none.
    pub fn task(&self, place: u32) -> TaskId {
        let index = self.spec.array.index(place).expect("sets hold only places of the array");
        TaskId { job: self.id, index }
    }

    /// The place of a task in the array.
    pub fn place(&self, task: TaskId) -> Option<u32> {
        self.spec.array.place(task.index)
    }

    /// How many tasks it has.
    pub fn count(&self) -> u64 {
        self.spec.array.count()
    }

    /// Where it is. A job in memory has not ended, but for the moment between its last task's end
    /// and the fact that says so.
    pub fn state(&self) -> JobState {
        if self.live > 0 {
            JobState::Running
        } else if !self.pending.is_empty() {
            if self.is_held() { JobState::Held } else { JobState::Pending }
        } else if !self.failed.is_empty() {
            JobState::Failed
        } else if !self.cancelled.is_empty() {
            JobState::Cancelled
        } else {
            JobState::Succeeded
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.pending.is_empty() && self.live == 0
    }

    /// When a task of it could go: `None` if nobody knows, or a time that may have passed.
    pub fn ready_at(&self) -> Option<Timestamp> {
        let full = self.limit().is_some_and(|limit| self.taken() >= u64::from(limit));
        if self.is_held() || full || self.waiting() == 0 {
            return None;
        }
        let earliest = self.spec.start_after.unwrap_or_default();
        let all_delayed = self.delayed.len() as u64 >= self.waiting();
        match self.delayed.first() {
            Some((at, _)) if all_delayed => Some(earliest.max(*at)),
            _ => Some(earliest),
        }
    }

    /// The first place that may go now.
    pub fn next_place(&self, now: Timestamp) -> Option<u32> {
        self.ready_places(now).next()
    }

    /// The places that may go now, ascending.
    pub fn ready_places(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        let delayed = self.delayed.iter().filter(|(at, _)| *at > now);
        let delayed: BTreeSet<u32> = delayed.map(|(_, place)| *place).collect();
        let places = self.free().flat_map(|(first, last)| first..=last);
        places.filter(move |place| !delayed.contains(place))
    }

    /// How many tasks are on nodes, or have a place there promised.
    pub fn taken(&self) -> u64 {
        self.live + self.promised.len()
    }

    /// Whether its tasks are known to be so short that they may wait on a node beyond its slots.
    pub fn is_brisk(&self) -> bool {
        self.pace_us.is_some_and(|mean| mean <= pace::SHORT_US)
    }

    /// How many tasks may run at once.
    pub fn limit(&self) -> Option<u32> {
        self.spec.array.limit
    }

    /// Number of the attempt that comes next for a place.
    pub fn next_number(&self, place: u32) -> u32 {
        self.tries.get(&place).map_or(1, |tries| tries.number + 1)
    }

    /// Indices of places, as ranges of the array.
    pub fn indices_of(&self, places: &Indices) -> Vec<repower_model::IndexRange> {
        ranges_of(&self.spec.array, places)
    }
}

/// The indices at some places, as few ranges as their intervals and the array's ranges allow.
fn ranges_of(array: &Array, places: &Indices) -> Vec<repower_model::IndexRange> {
    let mut found = Vec::new();
    let mut before = 0_u64;
    let mut intervals = places.intervals().peekable();
    for range in array.ranges() {
        let (start, end) = (before, before + range.count());
        while let Some(&(first, last)) = intervals.peek() {
            let (first, last) = (u64::from(first).max(start), u64::from(last).min(end - 1));
            if first >= end {
                break;
            }
            let index = |place: u64| {
                let offset =
                    u32::try_from(place - start).expect("places of an array fit in 32 bits");
                range.first + offset * range.step
            };
            found.push(repower_model::IndexRange {
                first: index(first),
                last: index(last),
                step: range.step,
            });
            if last + 1 < end || intervals.peek().is_some_and(|&(_, all)| u64::from(all) == last) {
                intervals.next();
            } else {
                break;
            }
        }
        before = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use repower_model::IndexRange;

    use super::*;

    #[test]
    fn places_become_ranges_of_the_array_again() {
        let range = |first, last, step| IndexRange { first, last, step };
        let array =
            Array::new(vec![range(0, 9, 1), range(20, 28, 2), range(40, 40, 1)], None).unwrap();
        let places: Indices = [1, 2, 3, 8, 9, 10, 11, 13, 15].into_iter().collect();

        let ranges = ranges_of(&array, &places);

        let shown: Vec<_> = ranges.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1-3", "8-9", "20-22:2", "26", "40"]);
    }
}
