//! From an attempt whose turn it is to a running process.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use repower_agent_core::{Exit, Input, Status};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::boxes::Besides;
use super::child::{Child, pipe};
use super::contained::Given;
use super::failure::Failure;
use super::folders::Folder;
use super::gpus::Assigned;
use super::ownfile::OwnFile;
use super::prepared::Prepared as Job;
use super::progress::{self, Book, Said};
use super::state::{self, Launch, State};
use super::still::Still;
use super::{Tasks, boxes, files, gang, prepared};
use crate::sandbox::{Strings, User};
use crate::saved::Place;
use crate::{clock, environment};

impl Tasks {
    /// Starts the process of an attempt and tells the session how that went. Takes as long as the kernel needs.
    pub(super) fn launch(&self, launch: &Launch) {
        let attempt = launch.attempt;
        if self.no_exec() {
            return self.pretend(launch);
        }
        let (serial, kills) = {
            let mut state = self.lock();
            (state.announce(), state.shortage.begin(clock::uptime()))
        };
        let mut folder = None;
        match self.start(launch, serial, &mut folder) {
            Ok(child) => {
                let mut state = self.lock();
                state.conclude(serial, Some(Child { kills, ..child }));
                state.expect_claims();
                self.apply(&mut state, Input::Started { attempt });
                let watched =
                    state.children.get(&serial).map(|child| child.watch(&self.epoll, serial));
                if let Some(Err(errno)) = watched {
                    let error = std::io::Error::from(errno);
                    tracing::error!(%attempt, %error, "cannot watch a task, so it is killed");
                    self.give_up(&mut state, serial);
                }
            }
            Err(failure) => {
                let mut state = self.lock();
                state.conclude(serial, None);
                state.used.extend(folder);
                let detail = failure.to_string();
                let input = if matches!(failure, Failure::Forbidden { .. }) {
                    Input::Forbidden { attempt, detail }
                } else {
                    Input::NotStarted { attempt, detail }
                };
                self.apply(&mut state, input);
            }
        }
    }

    /// Kills a process of which the end could not be noticed.
    fn give_up(&self, state: &mut State, serial: u64) {
        let Some(child) = state.children.get(&serial) else {
            return;
        };
        let (attempt, pid) = (child.attempt, child.pid);
        pid.into_iter().for_each(discard);
        state.remove(serial);
        let exit = ended_now(Status::Unknown);
        self.apply(state, Input::Exited { attempt, exit, drained: true });
    }

    /// Success without a process.
    fn pretend(&self, launch: &Launch) {
        let attempt = launch.attempt;
        let mut state = self.lock();
        self.apply(&mut state, Input::Started { attempt });
        let exit = ended_now(Status::Code(0));
        self.apply(&mut state, Input::Exited { attempt, exit, drained: true });
    }

    fn start(
        &self,
        launch: &Launch,
        serial: u64,
        kept: &mut Option<Folder>,
    ) -> Result<Child, Failure> {
        let spec = &launch.definition.spec;
        // Before anything is looked for, read or written there: this process may more than the task.
        self.check_folder(spec)?;
        let job = self.jobs.prepare(&launch.definition)?;
        let source = self.lock().folders.take();
        let folder = kept.insert(source.get().map_err(|source| Failure::Folder { source })?);
        let digests = self.lock().wanted.digests(launch.definition.job);
        let into = job.working_folder.as_deref().unwrap_or(folder.path());
        files::place(&self.cache, &spec.inputs, &digests, into)?;
        self.forbidden.check(&job, spec, &digests, into)?;
        let no_room = |errno: rustix::io::Errno| Failure::NoRoom { source: errno.into() };
        let (stdout, stdout_writer) = pipe().map_err(no_room)?;
        let (stderr, stderr_writer) = pipe().map_err(no_room)?;
        let hosts = self.gather(launch)?;
        let task = launch.attempt.attempt.task;
        let saved = spec.checkpoint.then(|| self.lock().checkpoints.place(task));
        let streams = [self.nothing.as_fd(), stdout_writer.as_fd(), stderr_writer.as_fd()];
        let gpus = self.assign(serial, launch)?;
        let own = variables(
            launch,
            serial,
            &job,
            (folder.path(), saved.as_ref().map(Place::data)),
            (hosts.as_ref(), &gpus),
        );
        let list = hosts.as_ref().map(OwnFile::path);
        let (since, started, held, contained) = if spec.image.is_empty() {
            let words = words(&job, &own)?;
            let seen = saved.as_ref().map(Place::data);
            let besides = Besides { hosts: list, saved: seen.as_deref(), gpus: &gpus.numbers };
            let held = self.hold(launch, &job, &besides, folder)?;
            if let Err(failure) = begin_to_save(launch, saved.as_ref(), held.user) {
                self.release(held);
                return Err(failure);
            }
            let since = clock::uptime();
            match self.start_in(&held, launch, &job, &words, folder.path(), streams) {
                Ok(started) => (since, started, Some(held), None),
                Err(failure) => {
                    self.release(held);
                    return Err(failure);
                }
            }
        } else {
            let files = [job.script(), list].into_iter().flatten().collect();
            let mark = format!("{}-{serial}", job.mark);
            let shared = shared(&job, &own).cloned().collect::<Vec<_>>();
            let variables = shared.into_iter().chain(own).collect();
            let number = launch.attempt.attempt.number;
            let saved = saved.as_ref().map(|place| (place, number));
            let gpus = &gpus.numbers;
            let given = Given { launch, job: &job, serial, variables, files, saved, gpus };
            let contained = self.contain(given, folder)?;
            let since = clock::uptime();
            let started = self.start_contained(&contained, mark.as_ref(), streams)?;
            (since, started, None, Some(contained))
        };
        Ok(Child {
            attempt: launch.attempt,
            said: Said::new(Book::new(folder.path())),
            pid: Some(started.pid),
            pidfd: started.pidfd,
            killed: false,
            kills: 0,
            since,
            stdout: Some(stdout),
            stderr: Some(stderr),
            writers: Some((stdout_writer, stderr_writer)),
            folder: kept.take(),
            held,
            contained,
            status: started.status,
            still: Still::default(),
            has_outputs: !launch.definition.spec.outputs.is_empty(),
            job,
            _hosts: hosts,
        })
    }

    /// The file in which a rank of a gang finds the others.
    fn gather(&self, launch: &Launch) -> Result<Option<OwnFile>, Failure> {
        let Some(rendezvous) = &launch.rendezvous else {
            return Ok(None);
        };
        let hosts = self.jobs.list_hosts(launch.attempt, &gang::hostfile(rendezvous));
        hosts.map(Some).map_err(|source| Failure::Hosts { source })
    }
}

/// Gives the attempt the folder in which it saves its work, if it asks for one.
fn begin_to_save(
    launch: &Launch,
    saved: Option<&Place>,
    user: Option<User>,
) -> Result<(), Failure> {
    let number = launch.attempt.attempt.number;
    let begun = saved.map_or(Ok(()), |place| place.begin(number, user));
    begun.map_err(|source| Failure::Saved { source })
}

/// A name and a value.
type Variable = (OsString, OsString);

/// What a program is started with.
#[derive(Debug)]
pub(super) struct Words {
    /// The first is what it is told that its name is.
    pub(super) arguments: Strings,
    pub(super) environment: Strings,
}

/// The variables of this launch, which win over those of the job.
fn variables(
    launch: &Launch,
    serial: u64,
    job: &Job,
    (folder, saved): (&Path, Option<PathBuf>),
    (hosts, gpus): (Option<&OwnFile>, &Assigned),
) -> Vec<Variable> {
    let attempt = launch.attempt.attempt;
    let mut own: Vec<Variable> = vec![
        ("TMPDIR".into(), folder.into()),
        ("REPOWER_TASK_INDEX".into(), attempt.task.index.to_string().into()),
        ("REPOWER_ATTEMPT".into(), attempt.number.to_string().into()),
        (progress::VARIABLE.into(), folder.join(progress::FILE).into()),
        (environment::MARK.into(), format!("{}-{serial}", job.mark).into()),
    ];
    let spec = &launch.definition.spec;
    if boxes::is_other(spec) || !spec.image.is_empty() {
        // The home of the agent's own user is not there.
        own.push(("HOME".into(), folder.into()));
    }
    if launch.alternative.is_some_and(|number| number > 0) {
        let amounts = launch.amounts();
        own.push((prepared::CPUS.into(), amounts.cpus.to_string().into()));
        own.push((prepared::MEMORY.into(), amounts.memory.as_u64().to_string().into()));
    }
    own.extend(gpus.variables.iter().map(|(name, value)| ((*name).into(), value.into())));
    if let Some(saved) = saved {
        own.push(("REPOWER_CHECKPOINT_DIR".into(), saved.into()));
    }
    if let (Some(rendezvous), Some(hosts)) = (&launch.rendezvous, hosts) {
        let rank = launch.attempt.rank;
        let told = gang::variables(rendezvous, rank, hosts.path(), &job.environment);
        own.extend(told.into_iter().map(|(name, value)| (name.into(), value)));
    }
    own
}

/// The variables of the job that those of a launch leave.
fn shared<'a>(job: &'a Job, own: &'a [Variable]) -> impl Iterator<Item = &'a Variable> {
    let is_shadowed = |name: &OsString| own.iter().any(|(one, _)| one == name);
    job.environment.iter().filter(move |(name, _)| !is_shadowed(name))
}

/// What the program of a job is started with.
fn words(job: &Job, own: &[Variable]) -> Result<Words, Failure> {
    let mut variables = Strings::new();
    for (name, value) in shared(job, own).chain(own) {
        variables.push_variable(name, value).map_err(|_| Failure::Zero)?;
    }
    let arguments = std::iter::once(&job.name).chain(&job.arguments).map(OsString::as_os_str);
    Ok(Words { arguments: boxes::strings(arguments)?, environment: variables })
}

/// An end of which nothing is known but how.
fn ended_now(status: Status) -> Exit {
    Exit {
        status,
        ended: clock::now().wall,
        wall_us: 0,
        cpu_us: 0,
        peak_memory_bytes: 0,
        read_bytes: 0,
        written_bytes: 0,
        oom_kills: 0,
    }
}

/// Kills and reaps a process that nobody watches.
fn discard(pid: Pid) {
    state::send(pid, repower_agent_core::Signal::Kill);
    if let Err(errno) = waitpid(Some(pid), WaitOptions::empty()) {
        tracing::error!(error = %std::io::Error::from(errno), "cannot reap a process");
    }
}
