//! Tasks in containers: made for a job's image, and asked afterwards how they ended and what they have used.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use repower_agent_core::Status;
use repower_model::{Ability, Bytes};

use super::boxes::{has_user, is_alone, is_boxed, pins, places, strings};
use super::crew::Kit;
use super::failure::Failure;
use super::folders::Folder;
use super::prepared::Prepared as Job;
use super::state::Launch;
use super::{Tasks, exit};
use crate::clock;
use crate::container::{Container, FRONT_PATH, Mount, Network, Plan, STATUS_PATH, Shown};
use crate::environment;
use crate::folder::show;
use crate::sandbox::{
    Error as HostError, Figures, Group, Limits, Pinned, Program, Reach, Started, Strings, Tree,
};
use crate::saved::Place;

/// What a container needs to be started, of memory: the engine's own program runs in it for a moment.
const LEAST: Bytes = Bytes::from_mib(24);

/// A task in a container.
#[derive(Debug)]
pub(super) struct Contained {
    /// Removed first.
    container: Option<Container>,
    group: Option<Group>,
    /// Where the group is below the mounts of control groups.
    place: PathBuf,
    status: File,
    path: PathBuf,
    kit: Arc<Kit>,
    user: (u32, u32),
    /// Where it works.
    folder: PathBuf,
    /// Since when what the engine has started is its.
    pub(super) since: Duration,
    /// The network that reaches named places only.
    pub(super) reach: Option<Reach>,
    /// Processors that it has to itself.
    pub(super) pinned: Option<Pinned>,
}

/// What a task in a container is given.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) launch: &'a Launch,
    pub(super) job: &'a Job,
    pub(super) serial: u64,
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Files that it may read.
    pub(super) files: Vec<&'a Path>,
    /// Where its task saves its work, and the number of the attempt that does so now.
    pub(super) saved: Option<(&'a Place, u32)>,
    /// Its GPUs, by their numbers.
    pub(super) gpus: &'a [u64],
}

/// What the first process in a container has written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The program could not be executed.
    NotExecuted(i32),
    /// It has ended, with this wait status.
    Ended(i32),
}

impl Tasks {
    /// Makes the container of a task; its folder belongs to the task's user then.
    pub(super) fn contain(
        &self,
        given: Given<'_>,
        folder: &mut Folder,
    ) -> Result<Contained, Failure> {
        let since = clock::uptime();
        let (spec, job) = (&given.launch.definition.spec, given.job);
        let kit = self.crew.kit(&self.data)?;
        let boxed = is_boxed(spec);
        let working_folder = working_folder(job, boxed)?;
        let limits = self.limits_inside(given.launch)?;
        let is_own = has_user(spec);
        let user = is_own.then(|| self.host.user_of(&spec.project)).transpose();
        let user = user.map_err(|source| Failure::Held { source })?;
        let pinned =
            self.host.pin(pins(given.launch)).map_err(|source| Failure::Held { source })?;
        let names = self.jobs.names(given.launch.attempt);
        let reach = places(spec).map(|places| self.host.reach(places, &names)).transpose();
        let reach = reach.map_err(|source| Failure::Held { source })?;
        folder.give_to(user).map_err(|source| Failure::Folder { source })?;
        if let Some(user) = user.filter(|_| self.host.is_privileged()) {
            let names = reach.as_ref().map(Reach::hosts);
            let mut shown = given.files.iter().copied().chain(names);
            let shown = shown.try_for_each(|path| show(path, user.gid));
            shown.map_err(|source| Failure::Folder { source })?;
        }
        let begun = given.saved.map_or(Ok(()), |(place, number)| place.begin(number, user));
        begun.map_err(|source| Failure::Saved { source })?;
        let user = user.map_or_else(
            || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            |user| (user.uid, user.gid),
        );
        let name = format!("{}-{}-{}", kit.mark, std::process::id(), given.serial);
        let path = kit.folder.join(format!("{}.status", given.serial));
        let status = status_file(&path, user).map_err(|source| Failure::Folder { source })?;
        let failed = |source| Failure::Group { source };
        let group = kit.tree().take(Limits { pids: None, ..limits }, &[]);
        let mut group = group.map_err(|source| {
            std::fs::remove_file(&path).unwrap_or_default();
            failed(source)
        })?;
        group.nest();
        let place = group.place().unwrap_or_default();
        // From here on, what was made is removed again should anything fail.
        let works_in = working_folder.clone().unwrap_or_else(|| folder.path().into());
        let mut contained = Contained {
            container: None,
            group: Some(group),
            place,
            status,
            path,
            kit,
            user,
            folder: works_in.clone(),
            since,
            reach,
            pinned,
        };
        let kit = &contained.kit;
        let mounts = contained.mounts(&given, folder, working_folder.as_deref());
        let reach = contained.reach.as_ref();
        let network = match reach {
            Some(reach) => Network::Joined(path_of(reach)),
            None if is_alone(spec) => Network::None,
            None => Network::Host,
        };
        let found = (!given.gpus.is_empty()).then(|| self.host.gpus()).flatten();
        let devices = found.as_ref().map(|found| found.files(given.gpus)).unwrap_or_default();
        let program = std::iter::once(&job.name).chain(&job.arguments).cloned().collect();
        let plan = Plan {
            name,
            mark: &kit.mark,
            image: &spec.image,
            program,
            variables: given.variables,
            scratch: &kit.folder,
            mounts,
            working_folder: works_in,
            user,
            has_capabilities: !is_own,
            network,
            devices: devices.iter().map(|file| (&*file.path, &*file.shown)).collect(),
            groups: found.as_ref().map(|found| found.groups(given.gpus)).unwrap_or_default(),
            group: &contained.place,
            processors: contained.pinned.as_ref().map(Pinned::list),
            shared_memory: limits.memory.map(Bytes::as_u64),
        };
        let container = kit.engine.create(&plan);
        contained.container = Some(container.map_err(|source| Failure::Container { source })?);
        if let Some(group) = &mut contained.group {
            // The engine needs some threads in it, and is done with them now.
            group.limit(limits).map_err(failed)?;
        }
        Ok(contained)
    }

    /// The limits of a task in a container, if that can have them.
    fn limits_inside(&self, launch: &Launch) -> Result<Limits, Failure> {
        let limits = self.limits(launch);
        if let Some(limit) = limits.memory.filter(|limit| *limit < LEAST) {
            return Err(Failure::LittleMemory { limit, program: FRONT_PATH.into() });
        }
        let weight = launch.definition.spec.io_weight;
        if weight.is_some() && !self.host.weighs_containers() {
            let ability = Ability::ContainerLimitIo.as_str();
            return Err(Failure::Held { source: HostError::Lacks { ability } });
        }
        Ok(limits)
    }

    /// Starts what runs the container, as the process of the task.
    pub(super) fn start_contained(
        &self,
        contained: &Contained,
        mark: &OsStr,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Started, Failure> {
        let container = contained.container.as_ref().expect("a container that is there is started");
        let (program, arguments) = container.client();
        let arguments = strings(arguments.iter().map(OsString::as_os_str))?;
        let mut variables = Strings::new();
        let own = environment::all().filter(|(name, _)| name != environment::MARK);
        let mark = (OsString::from(environment::MARK), mark.to_owned());
        for (name, value) in own.chain([mark]) {
            variables.push_variable(&name, &value).map_err(|_| Failure::Zero)?;
        }
        let path = CString::new(program.as_os_str().as_bytes()).map_err(|_| Failure::Zero)?;
        let started = self.host.start_beside(Program {
            path: &path,
            arguments: &arguments,
            environment: &variables,
            folder: c"/",
            streams,
        });
        started
            .map_err(|failure| Failure::Other { program: program.into(), source: failure.error() })
    }
}

impl Contained {
    /// What of this node is seen in it.
    fn mounts(
        &self,
        given: &Given<'_>,
        folder: &Folder,
        working_folder: Option<&Path>,
    ) -> Vec<Mount> {
        let kit = &self.kit;
        let init =
            Mount { path: kit.folder.join("init"), at: FRONT_PATH.into(), shown: Shown::ToRead };
        let status =
            Mount { path: self.path.clone(), at: STATUS_PATH.into(), shown: Shown::ToChange };
        let own = Mount::here(folder.path(), Shown::ToChange);
        let named = working_folder.filter(|path| *path != Path::new("/"));
        let named = named.map(|path| Mount::here(path, Shown::ToChange));
        let files = given.files.iter().map(|path| Mount::here(path, Shown::ToRead));
        let saved = given.saved.map(|(place, _)| Mount::here(&place.data(), Shown::ToChange));
        let hosts = self.reach.as_ref().map(|reach| Mount {
            path: reach.hosts().into(),
            at: "/etc/hosts".into(),
            shown: Shown::ToRead,
        });
        let more = named.into_iter().chain(saved).chain(files).chain(hosts);
        [init, status, own].into_iter().chain(more).collect()
    }

    /// What runs another program in it, to which that is added.
    pub(super) fn enter(&self, on_terminal: bool) -> Vec<OsString> {
        let container = self.container.as_ref();
        container.map(|one| one.enter(self.user, &self.folder, on_terminal)).unwrap_or_default()
    }

    /// How the task has ended, of which the engine's client has ended like this.
    pub(super) fn end(&self, client: Status) -> Status {
        match self.word() {
            Some(Word::NotExecuted(errno)) => Status::NotExecuted(errno),
            Some(Word::Ended(status)) => exit::meaning(status),
            None => match client {
                // Killed, as a whole or its client alone.
                Status::Signal(_) | Status::Code(KILLED) => Status::Signal(libc::SIGKILL),
                // The engine has failed to start it, and has said why on its standard error.
                Status::Code(_)
                | Status::NotExecuted(_)
                | Status::OutOfMemory
                | Status::Unknown => Status::Unknown,
            },
        }
    }

    fn word(&self) -> Option<Word> {
        let mut bytes = [0; 8];
        self.status.read_exact_at(&mut bytes, 0).ok()?;
        let (kind, value) = bytes.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map(i32::from_ne_bytes).ok();
        match (number(kind)?, number(value)?) {
            (1, errno) => Some(Word::NotExecuted(errno)),
            (2, status) => Some(Word::Ended(status)),
            _ => None,
        }
    }

    /// What it is held by.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Kills what is left in it, and says what the task has used.
    pub(super) fn last_figures(&self) -> Figures {
        let Some(group) = &self.group else { return Figures::default() };
        if let Err(error) = group.kill() {
            tracing::error!(%error, "cannot kill what a task has left");
        }
        let figures = group.figures();
        let cpu_us = figures.cpu_us.or_else(|| Tree::cpu_us(&self.place));
        Figures { cpu_us, ..figures }
    }

    /// Removes it and all that was made for it.
    pub(super) fn remove(self) {
        drop(self);
    }
}

/// What an engine's client ends with when SIGKILL has ended the first process of its container.
const KILLED: i32 = 128 + libc::SIGKILL;

impl Drop for Contained {
    fn drop(&mut self) {
        drop(self.container.take());
        if let Some(group) = self.group.take()
            && let Err(error) = self.kit.tree().remove(group)
        {
            tracing::error!(%error, "cannot remove what a container was held by");
        }
        Tree::tidy(&self.place);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a file of a container");
        }
    }
}

/// Where an engine finds the network that was made for a task.
fn path_of(reach: &Reach) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), reach.namespace().as_raw_fd()).into()
}

/// The folder of this node in which a task of the job works, if it names one.
fn working_folder(job: &Job, boxed: bool) -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = &job.working_folder else { return Ok(None) };
    if boxed {
        return Err(Failure::Unseen { folder: folder.clone() });
    }
    if folder.as_os_str().as_bytes().contains(&b',') {
        let text = "engines take the comma in it for something else";
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        return Err(Failure::WorkingFolder { folder: folder.clone(), source });
    }
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(folder.clone())),
        Ok(_) => {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            Err(Failure::WorkingFolder { folder: folder.clone(), source })
        }
        Err(source) => Err(Failure::WorkingFolder { folder: folder.clone(), source }),
    }
}

/// An empty file that a user may write to, open to be read.
fn status_file(path: &Path, (uid, gid): (u32, u32)) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    Ok(file)
}
