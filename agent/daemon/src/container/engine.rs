//! The engine of a host: which it is, and what it is told.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::plan::{Network, Plan};
use super::run::{Said, run};
use super::variables::Variables;

/// The label by which containers of an agent are found again.
pub(super) const LABEL: &str = "io.repower.agent";

/// How long an engine may take to make or remove a container.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take to say whether it works.
const DOUBT: Duration = Duration::from_secs(20);

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Podman,
    Docker,
}

impl Kind {
    /// The name of its program.
    const fn program(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

/// An engine that this host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    kind: Kind,
    program: PathBuf,
    /// The program that makes the container, where the engine's own choice would not work here.
    runtime: Option<PathBuf>,
}

/// What an engine could not do. The text says what to do, too: it travels as one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(
        "this node has no Podman and no Docker: install one of them, or let the job run elsewhere"
    )]
    None,
    #[error("containers are made by root only, and the agent is not root: start it as root")]
    NotRoot,
    #[error("{program} does not work on this node ({source}): check its installation", program = program.display())]
    Program { program: PathBuf, source: io::Error },
    #[error("{program} does not work on this node ({complaint}): check its installation", program = program.display())]
    Unfit { program: PathBuf, complaint: String },
    #[error(
        "there is no runc, without which Podman makes no containers beside control groups of version 1: install runc"
    )]
    NoRuntime,
    #[error(
        "the Docker of this node has its control groups made by {driver}, so tasks could not be limited: let it use cgroupfs, or install Podman"
    )]
    Driver { driver: String },
    #[error(
        "the image {image} is not on this node and could not be fetched ({complaint}): check its name and digest, or load it with `{program} load`"
    )]
    NoImage { image: String, program: &'static str, complaint: String },
    #[error(
        "{program} could not make a container of {image} ({complaint}): check the image, and the engine on this node"
    )]
    Refused { image: String, program: &'static str, complaint: String },
    #[error(
        "{program} does not let a container into a network that was made for it, so it cannot reach named places only: let the job run on a node with Podman, or leave its image or its egress out"
    )]
    NoPlaces { program: &'static str },
    #[error(
        "the variables of the task cannot be handed to the container ({source}): make room, or check the agent's data folder on this node"
    )]
    Variables { source: io::Error },
}

impl Engine {
    /// The engine of this host, tried: that which `chosen` names, else Podman, else Docker, looked for in `path`.
    ///
    /// # Errors
    ///
    /// Why there is none that works.
    pub(crate) fn detect(chosen: Option<&Path>, path: &OsStr) -> Result<Self, EngineError> {
        let found = match chosen {
            Some(program) => Some(program.to_owned()),
            None => [Kind::Podman, Kind::Docker].iter().find_map(|kind| find(kind.program(), path)),
        };
        let engine = Self::at(&found.ok_or(EngineError::None)?, path)?;
        if !rustix::process::geteuid().is_root() {
            return Err(EngineError::NotRoot);
        }
        engine.check()?;
        Ok(engine)
    }

    /// The engine of which this is the program: Docker, if its name says so, else Podman.
    pub(crate) fn at(program: &Path, path: &OsStr) -> Result<Self, EngineError> {
        let is_docker = program.file_name().is_some_and(|name| name == Kind::Docker.program());
        let program = program.to_owned();
        if is_docker {
            return Ok(Self { kind: Kind::Docker, program, runtime: None });
        }
        // crun makes no containers where controllers are mounted one by one; runc does.
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let runtime = if unified { None } else { find("runc", path) };
        if !unified && runtime.is_none() {
            return Err(EngineError::NoRuntime);
        }
        Ok(Self { kind: Kind::Podman, program, runtime })
    }

    /// Asks it whether it works.
    fn check(&self) -> Result<(), EngineError> {
        let mut command = self.command();
        command.arg("info");
        if self.kind == Kind::Docker {
            command.args(["--format", "{{.CgroupDriver}}"]);
        }
        let said = self.run(command, DOUBT)?;
        if !said.status.success() {
            return Err(EngineError::Unfit {
                program: self.program.clone(),
                complaint: said.complaint(),
            });
        }
        let driver = said.stdout.trim();
        if self.kind == Kind::Docker && driver != "cgroupfs" {
            return Err(EngineError::Driver { driver: driver.to_owned() });
        }
        Ok(())
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Whether its containers can be let into a network that was made beforehand.
    pub(crate) const fn joins_networks(&self) -> bool {
        matches!(self.kind, Kind::Podman)
    }

    /// The name of its program.
    pub(crate) const fn name(&self) -> &'static str {
        self.kind.program()
    }

    /// Makes a container, ready to start. Takes as long as the engine needs: some tenths of a second. The
    /// image is on this node already.
    pub(crate) fn create(&self, plan: &Plan<'_>) -> Result<Container, EngineError> {
        let variables =
            Variables::write(plan).map_err(|source| EngineError::Variables { source })?;
        let mut command = self.command();
        command.arg("create");
        if self.kind == Kind::Podman {
            // What watches over the container is not counted among its processes.
            command.arg("--cgroups=no-conmon");
        }
        if matches!(plan.network, Network::Joined(_)) {
            if !self.joins_networks() {
                return Err(EngineError::NoPlaces { program: self.name() });
            }
            // The list of hosts is mounted, and nothing is to be added to it.
            command.arg("--no-hosts");
        }
        variables.hand_to(&mut command);
        command.args(plan.arguments(variables.file(), LABEL));
        // Removed when this is dropped, also if the engine has not come to its end with it, or has and did not say so.
        let container = Container { engine: self.clone(), name: plan.name.clone() };
        self.prove(plan.image, command)?;
        if self.kind == Kind::Podman {
            // All but the program itself: what is wrong with the image or the mounts shows here.
            let mut command = self.command();
            command.args(["init", &plan.name]);
            self.prove(plan.image, command)?;
        }
        Ok(container)
    }

    /// Does one step of making a container of an image.
    fn prove(&self, image: &str, command: Command) -> Result<(), EngineError> {
        let said = self.run(command, PATIENCE)?;
        if said.status.success() {
            return Ok(());
        }
        let (program, complaint) = (self.name(), said.complaint());
        Err(EngineError::Refused { image: image.to_owned(), program, complaint })
    }

    /// Removes every container that carries the mark of an agent's data folder; returns how many.
    pub(crate) fn remove_leftovers(&self, mark: &str) -> Result<usize, EngineError> {
        let mut command = self.command();
        let filter = format!("label={LABEL}={mark}");
        command.args(["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
        let listed = self.run(command, PATIENCE)?;
        let ids: Vec<&str> = listed.stdout.split_whitespace().collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let mut command = self.command();
        command.args(self.removal()).args(&ids);
        let said = self.run(command, PATIENCE)?;
        if !said.status.success() {
            tracing::warn!(complaint = said.complaint(), "cannot remove containers that were left");
        }
        Ok(ids.len())
    }

    /// How a container is removed at once, whatever it does.
    const fn removal(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Podman => &["rm", "--force", "--ignore", "--time", "0", "--volumes"],
            Kind::Docker => &["rm", "--force", "--volumes"],
        }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.options());
        command
    }

    /// What comes before the verb.
    pub(super) fn options(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        if self.kind == Kind::Podman {
            // systemd, where there is one, would put containers elsewhere than below their task's group.
            options.push("--cgroup-manager=cgroupfs".into());
        }
        if let Some(runtime) = &self.runtime {
            options.extend(["--runtime".into(), runtime.into()]);
        }
        options
    }

    pub(super) fn run(&self, command: Command, limit: Duration) -> Result<Said, EngineError> {
        let said = run(command, limit);
        said.map_err(|source| EngineError::Program { program: self.program.clone(), source })
    }
}

/// A container that has been made. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    engine: Engine,
    name: String,
}

impl Container {
    /// The program that runs it, and its arguments, the first of which is what it is told that its name is.
    pub(crate) fn client(&self) -> (&Path, Vec<OsString>) {
        let mut arguments = vec![self.engine.name().into()];
        arguments.extend(self.engine.options());
        arguments.extend(["start", "--attach", &self.name].map(OsString::from));
        (&self.engine.program, arguments)
    }

    /// What runs another program in it, to which that is added.
    pub(crate) fn enter(
        &self,
        (uid, gid): (u32, u32),
        folder: &Path,
        on_terminal: bool,
    ) -> Vec<OsString> {
        let mut words = vec![self.engine.program.clone().into_os_string()];
        words.extend(self.engine.options());
        words.extend(["exec", "--interactive"].map(OsString::from));
        if on_terminal {
            words.push("--tty".into());
        }
        words.extend(["--user".into(), format!("{uid}:{gid}").into()]);
        words.extend(["--workdir".into(), folder.as_os_str().to_owned()]);
        words.push(self.name.clone().into());
        words
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut command = self.engine.command();
        command.args(self.engine.removal()).arg(&self.name);
        match self.engine.run(command, PATIENCE) {
            Ok(said) if said.status.success() => {}
            Ok(said) => {
                let complaint = said.complaint();
                tracing::warn!(container = self.name, complaint, "cannot remove a container");
            }
            Err(error) => {
                tracing::warn!(container = self.name, %error, "cannot remove a container");
            }
        }
    }
}

/// A program by its bare name.
fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    let folders =
        std::env::split_paths(path).filter(|folder| !folder.as_os_str().as_bytes().is_empty());
    folders.map(|folder| folder.join(name)).find(|program| {
        program.is_file() && rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok()
    })
}
