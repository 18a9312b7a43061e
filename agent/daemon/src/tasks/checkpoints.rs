//! Folders in which tasks save their work, one a task: they outlive attempts, executors and agents.
//!
//! Beside what a task has saved stands the number of the attempt that had the folder last. What the scheduler has in
//! its store is fetched only if it is of a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use repower_model::{Checkpoint, RankId, TaskId};
use repower_proto::v1::from_executor::Body as Wish;
use repower_proto::v1::{AbandonCheckpoint, FetchCheckpoint, SaveCheckpoint};

use super::folders::make;
use crate::folder::clear;
use crate::saved::Place;

/// The folders in which tasks save their work.
#[derive(Debug)]
pub(super) struct Checkpoints {
    root: PathBuf,
    /// Who has the folder of a task.
    used: BTreeMap<TaskId, RankId>,
    /// Who has it next, when an earlier attempt of the task is over here.
    waiting: BTreeMap<TaskId, (RankId, Option<Checkpoint>)>,
    /// Tasks of which nothing is needed any more, once nobody has their folders.
    needless: BTreeSet<TaskId>,
    fetches: BTreeMap<RankId, FetchCheckpoint>,
    saves: BTreeMap<RankId, SaveCheckpoint>,
    /// Makes the names of folders that are to be removed.
    removed: u64,
}

/// What comes of asking for a folder.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is ready.
    Ready,
    /// Later.
    Wait,
    /// The agent has to bring what was saved.
    Fetch(Wish),
    /// It cannot be had.
    Failed(String),
}

/// What follows from the end of an attempt.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// What the agent need not do any more.
    pub(super) wish: Option<Wish>,
    /// A folder that can be removed.
    pub(super) removed: Option<PathBuf>,
    /// Who has the folder next.
    pub(super) next: Option<(RankId, Option<Checkpoint>)>,
}

impl Checkpoints {
    /// Those of a data folder. What was to be removed is removed, or stays until the next start if it cannot be.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let root = Place::root(data);
        match make(&root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut removed = 0;
        for entry in fs::read_dir(&root)?.flatten() {
            let path = entry.path();
            if Place::task_of(&path).is_none()
                && let Err(error) = clear(&path)
            {
                tracing::warn!(path = %path.display(), %error, "cannot remove what a task has saved");
                let number = path.extension().and_then(|number| number.to_str()?.parse().ok());
                removed = removed.max(number.unwrap_or_default());
            }
        }
        Ok(Self {
            root,
            used: BTreeMap::new(),
            waiting: BTreeMap::new(),
            needless: BTreeSet::new(),
            fetches: BTreeMap::new(),
            saves: BTreeMap::new(),
            removed,
        })
    }

    /// Where the folder of a task is, with what belongs to it.
    pub(super) fn place(&self, task: TaskId) -> Place {
        Place::of(&self.root, task)
    }

    /// An attempt is to have the folder of its task, with what was saved before.
    pub(super) fn ask(&mut self, attempt: RankId, checkpoint: Option<Checkpoint>) -> Asked {
        let task = attempt.attempt.task;
        self.needless.remove(&task);
        if self.used.contains_key(&task) {
            self.waiting.insert(task, (attempt, checkpoint));
            return Asked::Wait;
        }
        self.used.insert(task, attempt);
        let place = self.place(task);
        let here = place.number();
        match checkpoint {
            Some(checkpoint) if here.is_none_or(|here| here < checkpoint.number) => {
                let (attempt_ref, checkpoint) = (Some(attempt.into()), Some(checkpoint.into()));
                let fetch = FetchCheckpoint { attempt: attempt_ref, checkpoint };
                self.fetches.insert(attempt, fetch.clone());
                Asked::Fetch(Wish::FetchCheckpoint(fetch))
            }
            Some(_) | None => match place.make() {
                Ok(()) => Asked::Ready,
                Err(error) => Asked::Failed(format!(
                    "the folder for what it saves cannot be made ({error}): make room or check the agent's data folder on this node"
                )),
            },
        }
    }

    /// What was saved is in the folder, or cannot be had.
    pub(super) fn fetched(&mut self, attempt: RankId) {
        self.fetches.remove(&attempt);
    }

    /// What a process has saved is wanted in the store.
    pub(super) fn save(&mut self, attempt: RankId) -> Wish {
        let save = SaveCheckpoint { attempt: Some(attempt.into()) };
        self.saves.insert(attempt, save);
        Wish::SaveCheckpoint(save)
    }

    /// It is there, or will not be.
    pub(super) fn saved(&mut self, attempt: RankId) {
        self.saves.remove(&attempt);
    }

    /// An attempt is over.
    pub(super) fn release(&mut self, attempt: RankId) -> Released {
        let task = attempt.attempt.task;
        let pending =
            self.fetches.remove(&attempt).is_some() | self.saves.remove(&attempt).is_some();
        let abandoned = AbandonCheckpoint { attempt: Some(attempt.into()) };
        let wish = pending.then_some(Wish::AbandonCheckpoint(abandoned));
        if self.waiting.get(&task).is_some_and(|(waiting, _)| *waiting == attempt) {
            self.waiting.remove(&task);
            return Released { wish, ..Released::default() };
        }
        if self.used.get(&task) != Some(&attempt) {
            return Released { wish, ..Released::default() };
        }
        self.used.remove(&task);
        let next = self.waiting.remove(&task);
        let removed =
            if next.is_none() && self.needless.remove(&task) { self.put_aside(task) } else { None };
        Released { wish, removed, next }
    }

    /// Nothing of a task is needed any more; returns a folder that can be removed.
    pub(super) fn drop_task(&mut self, task: TaskId) -> Option<PathBuf> {
        if self.used.contains_key(&task) {
            self.needless.insert(task);
            return None;
        }
        self.put_aside(task)
    }

    /// Gives a task's folder another name, so that it can be removed while another one is made.
    fn put_aside(&mut self, task: TaskId) -> Option<PathBuf> {
        self.removed += 1;
        let aside = self.root.join(format!("removed.{}", self.removed));
        match fs::rename(self.place(task).path(), &aside) {
            Ok(()) => Some(aside),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%task, %error, "cannot remove what a task has saved");
                }
                None
            }
        }
    }

    /// All that is wanted, for another agent.
    pub(super) fn wishes(&self) -> impl Iterator<Item = Wish> + '_ {
        let fetches = self.fetches.values().cloned().map(Wish::FetchCheckpoint);
        fetches.chain(self.saves.values().copied().map(Wish::SaveCheckpoint))
    }
}

#[cfg(test)]
mod tests {
    use repower_model::{AttemptId, Hash, JobId, Stored};

    use super::*;

    const TASK: TaskId = TaskId { job: JobId(1), index: 0 };

    fn attempt(number: u32) -> RankId {
        AttemptId { task: TASK, number }.rank(0)
    }

    fn kept(number: u32) -> Checkpoint {
        Checkpoint { number, stored: Stored { digest: Hash([7; 32]), bytes: 1 } }
    }

    #[test]
    fn what_is_here_is_used_unless_the_store_has_that_of_a_later_attempt() {
        let data = tempfile::TempDir::new().unwrap();
        let mut checkpoints = Checkpoints::open(data.path()).unwrap();
        assert!(
            matches!(checkpoints.ask(attempt(2), Some(kept(1))), Asked::Fetch(_)),
            "nothing is here"
        );
        checkpoints.release(attempt(2));

        assert!(matches!(checkpoints.ask(attempt(3), None), Asked::Ready));
        checkpoints.place(TASK).begin(3, None).unwrap();
        let folder = checkpoints.place(TASK).data();
        fs::write(folder.join("state"), "three").unwrap();
        checkpoints.release(attempt(3));

        let mut again = Checkpoints::open(data.path()).unwrap();
        assert!(
            matches!(again.ask(attempt(4), Some(kept(2))), Asked::Ready),
            "what is here is later"
        );
        assert_eq!(fs::read_to_string(again.place(TASK).data().join("state")).unwrap(), "three");
        again.release(attempt(4));
        assert!(matches!(again.ask(attempt(6), Some(kept(5))), Asked::Fetch(_)));
    }

    #[test]
    fn two_attempts_never_have_the_folder_at_one_time() {
        let data = tempfile::TempDir::new().unwrap();
        let mut checkpoints = Checkpoints::open(data.path()).unwrap();
        assert!(matches!(checkpoints.ask(attempt(1), None), Asked::Ready));

        assert!(matches!(checkpoints.ask(attempt(2), Some(kept(1))), Asked::Wait));
        let next = checkpoints.release(attempt(1)).next;

        assert_eq!(next, Some((attempt(2), Some(kept(1)))));
    }

    #[test]
    fn what_is_needed_no_more_goes_when_nobody_has_it() {
        let data = tempfile::TempDir::new().unwrap();
        let mut checkpoints = Checkpoints::open(data.path()).unwrap();
        assert!(matches!(checkpoints.ask(attempt(1), None), Asked::Ready));
        checkpoints.place(TASK).begin(1, None).unwrap();
        let folder = checkpoints.place(TASK).data();

        assert_eq!(checkpoints.drop_task(TASK), None);
        assert!(folder.is_dir(), "it is in use");
        let removed = checkpoints.release(attempt(1)).removed;

        assert!(removed.is_some_and(|aside| aside.is_dir()));
        assert!(!folder.exists());
        Checkpoints::open(data.path()).unwrap();
        assert_eq!(fs::read_dir(Place::root(data.path())).unwrap().count(), 0);
    }
}
