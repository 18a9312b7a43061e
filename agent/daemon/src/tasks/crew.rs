//! The threads for what takes its time, so that no other task waits for it: engines make and remove containers, names
//! are looked up, inputs are copied into folders, programs are read, folders are removed, and tasks are made to stand still.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use repower_model::JobSpec;

use super::contained::Contained;
use super::failure::Failure;
use super::state::Launch;
use super::{Tasks, boxes};
use crate::container::{Engine, FRONT};
use crate::sandbox::{self, Tree};
use crate::{Error, environment};

/// The names of the threads, and how many there are for each [`Kind`] of work.
const THREADS: [(&str, usize); 5] =
    [("containers", 2), ("inputs", 2), ("folders", 1), ("names", 2), ("standstill", 1)];

/// How often tasks are looked at that stand still by signals: another process of their user can let them go on.
const AGAIN: Duration = Duration::from_secs(1);

/// Work of one kind never waits for that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Containers,
    Inputs,
    Folders,
    Names,
    Standstill,
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// An agent has said which engine there is.
    Prepare,
    /// A task's turn has come.
    Launch(Launch),
    /// The task of this serial is over.
    Remove(u64, Box<Contained>),
    /// Nobody needs this folder any more.
    Clear(PathBuf),
    /// The task of this serial is to stand still, or to go on.
    Stand(u64),
}

impl Work {
    fn kind(&self) -> Kind {
        match self {
            Self::Launch(launch) => start_of(&launch.definition.spec).unwrap_or(Kind::Inputs),
            Self::Prepare | Self::Remove(..) => Kind::Containers,
            Self::Clear(_) => Kind::Folders,
            Self::Stand(_) => Kind::Standstill,
        }
    }
}

/// Whether the start of a task takes its time, whatever its program is.
pub(super) fn is_slow(spec: &JobSpec) -> bool {
    start_of(spec).is_some()
}

/// What the start of a task has to wait for longest: an engine, those who know names, or its inputs; `None`: nothing.
fn start_of(spec: &JobSpec) -> Option<Kind> {
    if !spec.image.is_empty() {
        Some(Kind::Containers)
    } else if boxes::places(spec).is_some() {
        Some(Kind::Names)
    } else {
        (!spec.inputs.is_empty()).then_some(Kind::Inputs)
    }
}

/// The threads, and what waits for them: no more than there are slots, or folders.
#[derive(Debug, Default)]
pub(super) struct Crew {
    lanes: [Lane; THREADS.len()],
    /// The engine's program, as agents say it.
    engine: Mutex<Option<PathBuf>>,
    kit: OnceLock<Arc<Kit>>,
    /// Held while the kit is made.
    making: Mutex<()>,
}

/// What waits for the threads of one kind of work.
#[derive(Debug, Default)]
struct Lane {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    work: VecDeque<Work>,
    quit: bool,
}

/// What all containers of this executor share.
#[derive(Debug)]
pub(super) struct Kit {
    pub(super) engine: Engine,
    /// Where their files are.
    pub(super) folder: PathBuf,
    /// By which they are known as those of this data folder.
    pub(super) mark: String,
    tree: Option<Tree>,
}

impl Kit {
    /// Removes what an earlier executor has left.
    fn new(engine: Engine, data: &Path) -> Result<Self, Failure> {
        let mark = sandbox::name_of(data);
        match engine.remove_leftovers(&mark) {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "removed containers that an executor had left"),
            Err(error) => tracing::warn!(%error, "cannot look for containers that were left"),
        }
        let folder = data.join("containers");
        let unusable = |source| Failure::Folder { source };
        crate::folder::clear(&folder).map_err(unusable)?;
        super::folders::make(&folder).map_err(unusable)?;
        std::fs::write(folder.join("init"), FRONT).map_err(unusable)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.join("init"), mode).map_err(unusable)?;
        let tree = Tree::plant_evenly(&format!("{mark}-containers"));
        let tree = Some(tree.map_err(|source| Failure::Group { source })?);
        Ok(Self { engine, folder, mark, tree })
    }

    pub(super) fn tree(&self) -> &Tree {
        self.tree.as_ref().expect("it is there until the kit is dropped")
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let Some(tree) = self.tree.take() else { return };
        let place = tree.place();
        drop(tree);
        if let Some(place) = place {
            Tree::tidy(&place);
        }
    }
}

impl Crew {
    /// An agent says which engine there is.
    pub(super) fn configure(&self, engine: Option<PathBuf>) {
        let is_there = engine.is_some();
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = engine;
        if is_there {
            self.add(Work::Prepare);
        }
    }

    pub(super) fn add(&self, work: Work) {
        let lane = &self.lanes[work.kind() as usize];
        lane.queue().work.push_back(work);
        lane.wake.notify_one();
    }

    /// Lets the threads end when they have done what is there.
    pub(super) fn quit(&self) {
        for lane in &self.lanes {
            lane.queue().quit = true;
            lane.wake.notify_all();
        }
    }

    /// What containers are made with; made at the first use.
    pub(super) fn kit(&self, data: &Path) -> Result<Arc<Kit>, Failure> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kit) = self.kit.get() {
            return Ok(Arc::clone(kit));
        }
        let program = self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let program =
            program.ok_or(Failure::Container { source: crate::container::EngineError::None })?;
        let engine = Engine::at(&program, &environment::path());
        let engine = engine.map_err(|source| Failure::Container { source })?;
        let kit = Arc::new(Kit::new(engine, data)?);
        Ok(Arc::clone(self.kit.get_or_init(|| kit)))
    }
}

/// What a thread has to do.
enum Next {
    Work(Work),
    /// Nothing has come for a while.
    Idle,
    /// It has to end.
    Quit,
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is next, or that nothing was for so long.
    fn next(&self, patience: Option<Duration>) -> Next {
        let mut queue = self.queue();
        loop {
            let next = queue.work.pop_front();
            match next {
                // Nothing is started any more, and all is killed.
                Some(Work::Launch(_) | Work::Prepare | Work::Stand(_)) if queue.quit => continue,
                Some(work) => return Next::Work(work),
                None if queue.quit => return Next::Quit,
                None => {}
            }
            let Some(patience) = patience else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.wake.wait_timeout(queue, patience);
            let (after, late) = waited.unwrap_or_else(PoisonError::into_inner);
            if late.timed_out() {
                return Next::Idle;
            }
            queue = after;
        }
    }
}

/// Starts the threads.
pub(super) fn start(tasks: &Arc<Tasks>) -> Result<Vec<JoinHandle<()>>, Error> {
    let start = |lane: usize, name: &str, number: usize| {
        let tasks = Arc::clone(tasks);
        std::thread::Builder::new()
            .name(format!("{name}-{number}"))
            .stack_size(512 << 10)
            .spawn(move || tasks.take_time(lane))
            .map_err(|source| Error::System { what: "a thread", source })
    };
    let lanes = THREADS.iter().enumerate();
    let all = lanes
        .flat_map(|(lane, (name, count))| (0..*count).map(move |number| (lane, *name, number)));
    all.map(|(lane, name, number)| start(lane, name, number)).collect()
}

impl Tasks {
    /// Does what takes its time until the executor ends.
    fn take_time(&self, lane: usize) {
        loop {
            let holds = lane == Kind::Standstill as usize && self.lock().holds_by_signals();
            let work = match self.crew.lanes[lane].next(holds.then_some(AGAIN)) {
                Next::Work(work) => work,
                Next::Idle => {
                    self.keep_still();
                    continue;
                }
                Next::Quit => return,
            };
            match work {
                Work::Prepare => {
                    if let Err(error) = self.crew.kit(&self.data) {
                        tracing::warn!(%error, "tasks cannot have containers");
                    }
                }
                Work::Launch(launch) => {
                    self.launch(&launch);
                    // Who waits for events has reports to send now, and maybe others to launch.
                    self.wake();
                }
                Work::Remove(serial, contained) => {
                    contained.remove();
                    self.lock().closing.remove(&serial);
                }
                Work::Stand(serial) => self.see_to(serial),
                Work::Clear(path) => {
                    if let Err(error) = crate::folder::clear(&path) {
                        tracing::warn!(path = %path.display(), %error, "cannot remove a folder of a task");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use repower_model::{Egress, InputFile, Source};

    use super::*;

    #[test]
    fn a_start_waits_for_threads_that_nothing_of_another_kind_holds_up() {
        let source = Source::Url { url: "https://h/x".into(), digest: None };
        let input = InputFile { source, path: "x".into(), unpack: false, executable: false };
        let inputs = JobSpec { inputs: vec![input], ..JobSpec::default() };
        let only = Some(Egress::Only(vec!["h:80".into()]));
        let names = JobSpec { egress: only, ..inputs.clone() };
        let image = JobSpec { image: "i".into(), ..names.clone() };

        let kinds = [JobSpec::default(), inputs, names, image].map(|spec| start_of(&spec));

        let expected = [None, Some(Kind::Inputs), Some(Kind::Names), Some(Kind::Containers)];
        assert_eq!(kinds, expected);
        let lanes = [Kind::Containers, Kind::Inputs, Kind::Folders, Kind::Names];
        let names = lanes.map(|kind| THREADS[kind as usize].0);
        assert_eq!(names, ["containers", "inputs", "folders", "names"]);
    }
}
