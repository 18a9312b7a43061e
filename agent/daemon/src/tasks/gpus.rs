//! Which GPUs of the node a task has: the lowest numbers that no other task has.
//!
//! Nodes name how many GPUs they have as the extra `gpu`, so the scheduler never places more tasks than there are numbers.
//! Where there are device files of GPUs, a task sees those of its own ones only: in a box and in a container always, on
//! the bare level where control groups can deny devices.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use super::state::Launch;
use super::{Tasks, boxes};
use crate::sandbox::{Found, Maker};

/// The extra that counts GPUs.
pub(crate) const EXTRA: &str = "gpu";

/// By which libraries for GPUs learn which they may use; empty: none.
pub(super) const VARIABLES: [&str; 3] = [CUDA, HIP, ROCR];
const CUDA: &str = "CUDA_VISIBLE_DEVICES";
const HIP: &str = "HIP_VISIBLE_DEVICES";
const ROCR: &str = "ROCR_VISIBLE_DEVICES";

/// The GPUs of tasks, by their serials.
#[derive(Debug, Default)]
pub(super) struct Gpus {
    taken: BTreeMap<u64, BTreeSet<u64>>,
}

/// The GPUs of a task.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Their numbers, ascending.
    pub(super) numbers: Vec<u64>,
    /// What the task is told of them.
    pub(super) variables: Vec<(&'static str, String)>,
}

impl Gpus {
    /// Gives a task so many GPUs of those that there are, or of any numbers.
    ///
    /// # Errors
    ///
    /// That there are too few, or too few that no other task has.
    fn take(&mut self, serial: u64, count: u64, of: Option<&[u64]>) -> Result<Vec<u64>, Failure> {
        let taken: BTreeSet<u64> = self.taken.values().flatten().copied().collect();
        let is_free = |one: &u64| !taken.contains(one);
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let free: Vec<u64> = match of {
            Some(all) => all.iter().copied().filter(is_free).take(most).collect(),
            None => (0..).filter(is_free).take(most).collect(),
        };
        if free.len() < most {
            let all = of.map_or(0, <[u64]>::len);
            return Err(Failure::FewGpus { asked: count, free: free.len(), all });
        }
        self.taken.insert(serial, free.iter().copied().collect());
        Ok(free)
    }

    /// The task is over.
    pub(super) fn free(&mut self, serial: u64) {
        self.taken.remove(&serial);
    }
}

impl Tasks {
    /// The GPUs that a task has asked for.
    pub(super) fn assign(&self, serial: u64, launch: &Launch) -> Result<Assigned, Failure> {
        let count = count(launch);
        if count == 0 {
            return Ok(Assigned::default());
        }
        let found = self.host.gpus();
        let known = found.as_ref().map(|found| found.numbers());
        let numbers = self.lock().gpus.take(serial, count, known.as_deref())?;
        let spec = &launch.definition.spec;
        let has_own_files = boxes::is_boxed(spec) || !spec.image.is_empty();
        let sees_others = !has_own_files && !self.host.denies_devices();
        let variables = told(&numbers, found.as_deref(), sees_others);
        Ok(Assigned { numbers, variables })
    }
}

/// How many GPUs a task is given. A scheduler that does not say by which of several requests the task was placed has it have
/// none.
fn count(launch: &Launch) -> u64 {
    let is_known = launch.alternative.is_some() || launch.definition.spec.alternatives.is_empty();
    if is_known { launch.amounts().extra(EXTRA) } else { 0 }
}

/// What a task is told of its GPUs.
///
/// Libraries count those that a program may open, from 0. So a task that cannot open those of others is told numbers of its own,
/// and `REPOWER_GPUS` says which of the node's they are.
fn told(numbers: &[u64], found: Option<&Found>, sees_others: bool) -> Vec<(&'static str, String)> {
    let list = |numbers: &mut dyn Iterator<Item = u64>| {
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    };
    let of_node = list(&mut numbers.iter().copied());
    let own = list(&mut (0..).take(numbers.len()));
    let mut told = match found.map(|found| found.maker) {
        Some(_) if !sees_others => VARIABLES.map(|name| (name, own.clone())).to_vec(),
        // The second of these counts among what the first leaves, and looks at the third as well.
        Some(Maker::Amd) => vec![(ROCR, of_node.clone()), (HIP, own.clone()), (CUDA, own)],
        Some(Maker::Nvidia) | None => VARIABLES.map(|name| (name, of_node.clone())).to_vec(),
    };
    if found.is_some_and(|found| found.maker == Maker::Nvidia) {
        // As the files are numbered; else the fastest is the first.
        told.push(("CUDA_DEVICE_ORDER", "PCI_BUS_ID".to_owned()));
    }
    told.push(("REPOWER_GPUS", of_node));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Devices;

    #[test]
    fn no_two_tasks_have_the_same_gpu_and_one_that_ends_gives_its_own_back() {
        let mut gpus = Gpus::default();

        assert_eq!(gpus.take(1, 2, None).unwrap(), [0, 1]);
        assert_eq!(gpus.take(2, 1, None).unwrap(), [2]);
        gpus.free(1);
        assert_eq!(gpus.take(3, 3, None).unwrap(), [0, 1, 3]);
    }

    #[test]
    fn only_what_is_there_is_given_and_too_few_are_told_with_all_numbers() {
        let mut gpus = Gpus::default();
        let there = Some(&[1, 4, 5][..]);

        assert_eq!(gpus.take(1, 2, there).unwrap(), [1, 4]);
        let refused = gpus.take(2, 2, there).unwrap_err().to_string();
        assert_eq!(gpus.take(3, 1, there).unwrap(), [5]);

        assert!(refused.contains("asks for 2 GPUs, but 1 of the 3"), "{refused}");
    }

    #[test]
    fn a_task_counts_what_it_can_open() {
        let told = |files: &[(&str, u32)], sees_others| {
            let root = crate::sandbox::device_tree(files);
            let devices = Devices::look(root.path());
            let told = told(&[1, 3], devices.now().as_deref(), sees_others);
            told.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let [nvidia, amd] = [[("nvidia1", 7)], [("dri/renderD128", 7)]];
        let all = |value: &str| VARIABLES.map(|name| format!("{name}={value}"));
        let rest = ["REPOWER_GPUS=1,3".to_owned()];
        let order = ["CUDA_DEVICE_ORDER=PCI_BUS_ID".to_owned()];

        assert_eq!(told(&[], true), [&all("1,3")[..], &rest].concat());
        assert_eq!(told(&nvidia, true), [&all("1,3")[..], &order, &rest].concat());
        assert_eq!(told(&nvidia, false), [&all("0,1")[..], &order, &rest].concat());
        assert_eq!(told(&amd, false), [&all("0,1")[..], &rest].concat());
        let by_rocr = [format!("{ROCR}=1,3"), format!("{HIP}=0,1"), format!("{CUDA}=0,1")];
        assert_eq!(told(&amd, true), [&by_rocr[..], &rest].concat());
    }
}
