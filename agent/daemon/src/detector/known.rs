//! What was admitted with the jobs of which tasks run, as one executor has told it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use repower_proto::v1::{AdmittedFiles, Watched, WatchedTask};

use crate::sense::Files;

/// A task that runs, and what it was given.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) task: WatchedTask,
    pub(super) files: Files,
}

/// Digests by the path below the folder of a task.
type Digests = BTreeMap<PathBuf, [u8; 32]>;

/// What was admitted, by job, as long as a task of the job runs. No more than an executor tells.
#[derive(Debug, Default)]
pub(super) struct Known {
    jobs: BTreeMap<u64, Arc<Digests>>,
}

impl Known {
    /// Jobs of which nothing has to be told.
    pub(super) fn jobs(&self) -> Vec<u64> {
        self.jobs.keys().copied().collect()
    }

    /// Takes in what an executor has told; what runs, with what is known of it by now.
    pub(super) fn take(&mut self, watched: Watched) -> Vec<Running> {
        let running: BTreeSet<u64> = watched.tasks.iter().filter_map(job).collect();
        let told = watched.admitted.into_iter().map(|one| (one.job, Arc::new(digests(one))));
        self.jobs.extend(told);
        self.jobs.retain(|job, _| running.contains(job));
        let with_files = |task| Running { files: self.files(&task), task };
        watched.tasks.into_iter().map(with_files).collect()
    }

    fn files(&self, task: &WatchedTask) -> Files {
        let digests = job(task).and_then(|job| self.jobs.get(&job));
        let digests = digests.filter(|_| !task.folder.is_empty());
        let folder = || PathBuf::from(OsString::from_vec(task.folder.clone()));
        digests.map(|digests| Files::new(folder(), Arc::clone(digests))).unwrap_or_default()
    }
}

fn job(task: &WatchedTask) -> Option<u64> {
    Some(task.attempt.as_ref()?.job)
}

fn digests(told: AdmittedFiles) -> Digests {
    let file = |(path, digest): (String, Vec<u8>)| Some((path.into(), digest.try_into().ok()?));
    told.files.into_iter().filter_map(|one| file((one.path, one.digest))).collect()
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{AdmittedFile, AttemptRef};

    use super::*;

    fn task(job: u64, folder: &str) -> WatchedTask {
        let attempt = AttemptRef { job, index: 0, number: 1, rank: 0 };
        let folder = folder.as_bytes().to_vec();
        WatchedTask { attempt: Some(attempt), folder, ..WatchedTask::default() }
    }

    fn admitted(job: u64, digest: &[u8]) -> AdmittedFiles {
        let file = AdmittedFile { path: "bin/run".into(), digest: digest.to_vec() };
        AdmittedFiles { job, files: vec![file] }
    }

    fn files(folder: &str, digest: [u8; 32]) -> Files {
        Files::new(folder.into(), Arc::new(Digests::from([("bin/run".into(), digest)])))
    }

    fn take(known: &mut Known, tasks: &[WatchedTask], admitted: Vec<AdmittedFiles>) -> Vec<Files> {
        let running = known.take(Watched { tasks: tasks.to_vec(), admitted });
        running.into_iter().map(|one| one.files).collect()
    }

    #[test]
    fn what_was_told_once_is_known_as_long_as_a_task_of_the_job_runs() {
        let mut known = Known::default();
        let (one, two, other) = (task(1, "/w/1"), task(1, "/w/2"), task(2, "/w/3"));

        let first = take(&mut known, &[one.clone(), other.clone()], vec![admitted(1, &[7; 32])]);
        assert_eq!(first, [files("/w/1", [7; 32]), Files::default()]);
        assert_eq!(known.jobs(), [1]);
        let second = take(&mut known, &[one, two], Vec::new());
        assert_eq!(second, [files("/w/1", [7; 32]), files("/w/2", [7; 32])]);

        assert_eq!(take(&mut known, &[other], Vec::new()), [Files::default()]);
        assert_eq!(known.jobs(), [0; 0]);
    }

    #[test]
    fn a_task_without_a_folder_of_its_own_and_what_is_no_digest_are_passed_over() {
        let mut known = Known::default();

        let told = vec![admitted(1, &[7; 32]), admitted(2, &[7; 3])];
        let seen = take(&mut known, &[task(1, ""), task(2, "/w/2")], told);

        assert_eq!(seen[0], Files::default());
        assert_eq!(seen[1], Files::new("/w/2".into(), Arc::default()));
    }
}
