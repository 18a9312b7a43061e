//! What holds a task: asked for as its job says, and asked afterwards what the task has used.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use repower_agent_core::Status;
use repower_model::{Bytes, Egress, Isolation, JobSpec};

use super::Tasks;
use super::exit;
use super::failure::Failure;
use super::folders::Folder;
use super::launch::Words;
use super::prepared::Prepared as Job;
use super::state::Launch;
use crate::folder::show;
use crate::sandbox::{
    self, Access, Figures, Limits, Prepared, Program, Reach, Started, Step, Strings, Wanted,
};

/// What a task has of the node besides its folder.
#[derive(Debug)]
pub(super) struct Besides<'a> {
    /// The list of hosts of its gang.
    pub(super) hosts: Option<&'a Path>,
    /// Where it saves its work.
    pub(super) saved: Option<&'a Path>,
    /// Its GPUs, by their numbers.
    pub(super) gpus: &'a [u64],
}

impl Tasks {
    /// Refuses a folder of this node that a job names for a box, unless it is one that every box shows; and for whoever
    /// has another user than this process, but for its program to work in: whatever this process and the agent put there, or took from there, they would with
    /// their own user.
    pub(super) fn check_folder(&self, spec: &JobSpec) -> Result<(), Failure> {
        let folder = Path::new(&spec.working_folder);
        if spec.working_folder.is_empty() || !is_other(spec) {
            return Ok(());
        }
        if !spec.inputs.is_empty() || !spec.outputs.is_empty() {
            return Err(Failure::FilesElsewhere { folder: folder.into() });
        }
        if !is_boxed(spec) {
            return Ok(());
        }
        let is_plain =
            |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if spec.image.is_empty() && folder.components().all(is_plain) && self.host.shows(folder) {
            return Ok(());
        }
        Err(Failure::Unseen { folder: folder.into() })
    }

    /// What holds a task of this job, ready; its folder belongs to the task's user then.
    pub(super) fn hold(
        &self,
        launch: &Launch,
        job: &Job,
        besides: &Besides<'_>,
        folder: &mut Folder,
    ) -> Result<Prepared, Failure> {
        let spec = &launch.definition.spec;
        let boxed = is_boxed(spec);
        let own = folder.path().to_owned();
        let given = [job.script(), besides.hosts].into_iter().flatten();
        let read = given.clone().map(|path| (path, Access::Read));
        let changed = std::iter::once(own.as_path()).chain(besides.saved);
        let sees: Vec<_> = changed.map(|path| (path, Access::Change)).chain(read).collect();
        let names = self.jobs.names(launch.attempt);
        let reaches = places(spec).map(|places| (places, names.as_path()));
        let wanted = Wanted {
            limits: self.limits(launch),
            boxed,
            pins: pins(launch),
            gpus: besides.gpus,
            own_network: is_alone(spec),
            reaches,
            project: Some(spec.project.as_str()).filter(|_| has_user(spec)),
            sees: &sees,
        };
        let held = self.host.prepare(&wanted).map_err(|source| Failure::Held { source })?;
        let shown = held.user.map_or(Ok(()), |user| {
            let names = held.reach.as_ref().map(Reach::hosts);
            given.chain(names).try_for_each(|path| show(path, user.gid))
        });
        match shown.and_then(|()| folder.give_to(held.user)) {
            Ok(()) => Ok(held),
            Err(source) => {
                self.release(held);
                Err(Failure::Folder { source })
            }
        }
    }

    /// Starts the program in it.
    pub(super) fn start_in(
        &self,
        held: &Prepared,
        launch: &Launch,
        job: &Job,
        words: &Words,
        folder: &Path,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Started, Failure> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| Failure::Zero);
        let working_folder = job.working_folder.as_deref().unwrap_or(folder);
        let (path, folder) = (text(job.program.as_os_str())?, text(working_folder.as_os_str())?);
        let program = Program {
            path: &path,
            arguments: &words.arguments,
            environment: &words.environment,
            folder: &folder,
            streams,
        };
        self.host.start(program, held).map_err(|failure| meaning(failure, held, launch, job))
    }

    /// The limits of a task: what its job declares, and what this node has for those that do not say.
    pub(super) fn limits(&self, launch: &Launch) -> Limits {
        let most = self.task_pids.load(std::sync::atomic::Ordering::Acquire);
        let usual = Some(most).filter(|most| *most > 0 && self.host.limits_pids());
        let limits = limits(launch);
        // Where a group is one folder its share costs one write, and none if it is that of one processor.
        let share =
            Some(launch.amounts().cpus.as_milli()).filter(|_| self.host.has_one_hierarchy());
        let cpu_milli = limits.cpu_milli.or(share);
        Limits { pids: limits.pids.or(usual), cpu_milli, ..limits }
    }

    /// Gives back what no task has been started in.
    pub(super) fn release(&self, held: Prepared) {
        if let Err(error) = self.host.give_back(held) {
            tracing::error!(%error, "what a task was to be held by cannot be used again");
        }
    }
}

/// Whether a task has a box: by its egress, too, whatever the scheduler has let in before it knew that.
pub(super) fn is_boxed(spec: &JobSpec) -> bool {
    spec.level() >= Isolation::Boxed
}

/// Whether a task has a user of its project: where this process may give it one.
pub(super) fn has_user(spec: &JobSpec) -> bool {
    rustix::process::geteuid().is_root() && (is_boxed(spec) || spec.project_user)
}

/// Whether a task may do less than this process.
pub(super) fn is_other(spec: &JobSpec) -> bool {
    is_boxed(spec) || has_user(spec)
}

/// The only places that a task reaches; `None`: it reaches all or nothing.
pub(super) fn places(spec: &JobSpec) -> Option<&[String]> {
    match &spec.egress {
        Some(Egress::Only(places)) => Some(places),
        Some(Egress::Open | Egress::None) | None => None,
    }
}

/// How many processors a task has to itself.
pub(super) fn pins(launch: &Launch) -> usize {
    let whole = launch.amounts().cpus.as_milli().div_ceil(1000);
    if launch.definition.spec.pin_cpus { usize::try_from(whole).unwrap_or(usize::MAX) } else { 0 }
}

/// Whether a task reaches nothing but itself.
pub(super) fn is_alone(spec: &JobSpec) -> bool {
    let is_sealed = spec.isolation == Isolation::Sealed && places(spec).is_none();
    is_sealed || spec.egress == Some(Egress::None)
}

/// What it means that a step has failed.
fn meaning(failure: sandbox::Failure, held: &Prepared, launch: &Launch, job: &Job) -> Failure {
    let limit = held.group.as_ref().and(limits(launch).memory);
    if let Some(limit) = limit.filter(|limit| failure.wants_memory() && *limit < SMALL) {
        return Failure::LittleMemory { limit, program: job.program.clone() };
    }
    let (step, source) = (failure.step, failure.error());
    if let (Step::Folder, Some(folder)) = (step, &job.working_folder) {
        let folder = folder.clone();
        return match &held.user {
            _ if held.is_boxed() => Failure::Unseen { folder },
            Some(user) if source.kind() == io::ErrorKind::PermissionDenied => {
                let user =
                    format!("{} (that of project {})", user.uid, launch.definition.spec.project);
                Failure::ClosedFolder { folder, user }
            }
            Some(_) | None => Failure::WorkingFolder { folder, source },
        };
    }
    if matches!(step, Step::Exec | Step::Folder) {
        return Failure::of(source, job, held.is_boxed());
    }
    if matches!(step, Step::Start | Step::Clone | Step::CloneTask) {
        return Failure::NoRoom { source };
    }
    Failure::Step { what: format!("{}{}", step.what(), held.part(failure)), source }
}

/// With less memory than this it may be the limit that keeps a program from being loaded.
const SMALL: Bytes = Bytes::from_mib(8);

/// The limits that a job declares, by the amounts that the task was placed by.
fn limits(launch: &Launch) -> Limits {
    let (spec, amounts) = (&launch.definition.spec, launch.amounts());
    let memory = Some(amounts.memory).filter(|memory| *memory > Bytes::default());
    let cpu_milli = (memory.is_some() || spec.pids.is_some()).then(|| amounts.cpus.as_milli());
    Limits { memory, pids: spec.pids, cpu_milli, io_weight: spec.io_weight }
}

/// How the task in a pid namespace ended; its `init` writes it down before it ends itself.
pub(super) fn status_of_task(status: &OwnedFd) -> Status {
    let mut bytes = [0; 4];
    match rustix::io::read(status.as_fd(), &mut bytes) {
        Ok(4) => exit::meaning(i32::from_ne_bytes(bytes)),
        // Whoever kills the box kills its `init` first.
        Ok(_) | Err(_) => Status::Signal(libc::SIGKILL),
    }
}

/// What a task has used that has just ended; kills what is left of it.
pub(super) fn last_figures(held: &Prepared) -> Figures {
    let Some(group) = &held.group else {
        return Figures::default();
    };
    if let Err(error) = group.kill() {
        tracing::error!(%error, "cannot kill what a task has left");
    }
    group.figures()
}

/// The words that a program is started with.
pub(super) fn strings<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> Result<Strings, Failure> {
    let mut strings = Strings::new();
    for word in words {
        strings.push(word).map_err(|_| Failure::Zero)?;
    }
    Ok(strings)
}
