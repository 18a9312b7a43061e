//! From an attempt whose turn it is to a running process.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use repower_agent_core::{Exit, Input, Status};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};

use super::child::{Child, pipe};
use super::failure::Failure;
use super::folders::Folder;
use super::ownfile::OwnFile;
use super::prepared::Prepared;
use super::state::{self, Launch, State};
use super::{Tasks, gang};
use crate::{clock, environment};

impl Tasks {
    /// Starts the process of an attempt and tells the session how that went. Takes as long as the kernel needs.
    pub(super) fn launch(&self, launch: &Launch) {
        let attempt = launch.attempt;
        if self.no_exec() {
            return self.pretend(launch);
        }
        let serial = self.lock().announce();
        let mut folder = None;
        match self.start(launch, serial, &mut folder) {
            Ok(child) => {
                let mut state = self.lock();
                state.conclude(serial, Some(child));
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
                self.apply(&mut state, Input::NotStarted { attempt, detail: failure.to_string() });
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
        let prepared = self.jobs.prepare(&launch.definition)?;
        let source = self.lock().folders.take();
        let folder = kept.insert(source.get().map_err(|source| Failure::Folder { source })?);
        let no_room = |errno: rustix::io::Errno| Failure::NoRoom { source: errno.into() };
        let (stdout, stdout_writer) = pipe().map_err(no_room)?;
        let (stderr, stderr_writer) = pipe().map_err(no_room)?;
        let duplicate =
            |fd: &std::os::fd::OwnedFd| fd.try_clone().map_err(|source| Failure::NoRoom { source });
        let mut command = command(launch, &prepared, folder);
        command.env(environment::MARK, format!("{}-{serial}", prepared.mark));
        let hosts = self.gather(launch, &prepared, &mut command)?;
        command
            .stdin(Stdio::null())
            .stdout(duplicate(&stdout_writer)?)
            .stderr(duplicate(&stderr_writer)?);
        let since = clock::uptime();
        let spawned = command.spawn().map_err(|error| Failure::of(error, &prepared))?;
        let pid = i32::try_from(spawned.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("the kernel numbers processes from 1 to 2^22");
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| {
            discard(pid);
            no_room(errno)
        });
        Ok(Child {
            attempt: launch.attempt,
            pid: Some(pid),
            pidfd: pidfd?,
            killed: false,
            since,
            stdout: Some(stdout),
            stderr: Some(stderr),
            writers: Some((stdout_writer, stderr_writer)),
            folder: kept.take(),
            _prepared: prepared,
            _hosts: hosts,
        })
    }

    /// Tells a rank of a gang how it finds the others; returns the file that it is told to look into.
    fn gather(
        &self,
        launch: &Launch,
        prepared: &Prepared,
        command: &mut Command,
    ) -> Result<Option<OwnFile>, Failure> {
        let Some(rendezvous) = &launch.rendezvous else {
            return Ok(None);
        };
        let hosts = self.jobs.list_hosts(launch.attempt, &gang::hostfile(rendezvous));
        let hosts = hosts.map_err(|source| Failure::Hosts { source })?;
        let own = &prepared.environment;
        let variables = gang::variables(rendezvous, launch.attempt.rank, hosts.path(), own);
        command.envs(variables);
        Ok(Some(hosts))
    }
}

/// An end of which nothing is known but how.
fn ended_now(status: Status) -> Exit {
    Exit { status, ended: clock::now().wall, wall_us: 0, cpu_us: 0, peak_memory_bytes: 0 }
}

/// Kills and reaps a process that nobody watches.
fn discard(pid: Pid) {
    state::send(pid, repower_agent_core::Signal::Kill);
    if let Err(errno) = waitpid(Some(pid), WaitOptions::empty()) {
        tracing::error!(error = %std::io::Error::from(errno), "cannot reap a process");
    }
}

/// Nothing here may ask for anything between fork and exec, or the standard library would have to
/// fork this process instead of using `posix_spawn`, which is several times slower.
fn command(launch: &Launch, prepared: &Prepared, folder: &Folder) -> Command {
    let working_folder = prepared.working_folder.as_deref().unwrap_or(folder.path());
    let attempt = launch.attempt.attempt;
    let mut command = Command::new(&prepared.program);
    command
        .arg0(&prepared.name)
        .args(&prepared.arguments)
        .env_clear()
        .envs(prepared.environment.iter().map(|(name, value)| (name, value)))
        .env("TMPDIR", folder.path())
        .env("REPOWER_TASK_INDEX", attempt.task.index.to_string())
        .env("REPOWER_ATTEMPT", attempt.number.to_string())
        .current_dir(working_folder)
        .process_group(0);
    command
}
