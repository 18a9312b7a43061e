//! Schedulers and agents that a test starts itself, as an operator would.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::cli::Cli;
use super::namespace::Namespace;

/// A scheduler or an agent; ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    out: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Daemon {
    /// Starts `repower` with these arguments; what it logs goes to a file in its folder.
    pub(crate) fn start(cli: &Cli, name: &str, arguments: &[&str]) -> Self {
        Self::spawn(cli, name, cli.command(arguments))
    }

    /// The same in another network.
    pub(crate) fn start_in(network: &Namespace, cli: &Cli, name: &str, arguments: &[&str]) -> Self {
        Self::start_by(&["nsenter", &network.option(), "--"], cli, name, arguments)
    }

    /// The same by another program, which then becomes `repower` itself, so that this is still its parent.
    fn start_by(by: &[&str], cli: &Cli, name: &str, arguments: &[&str]) -> Self {
        let plain = cli.command(arguments);
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(plain.get_program());
        command.args(plain.get_args()).current_dir(&cli.folder);
        Self::spawn(cli, name, command)
    }

    fn spawn(cli: &Cli, name: &str, mut command: Command) -> Self {
        let log = cli.folder.join(format!("{name}.log"));
        command.arg("--with-parent").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, log }
    }

    /// Waits for the line that says that it is ready, and returns what else is in that line.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> String {
        let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
        let mut line = String::new();
        let mut ends = [PollFd::new(self.out.get_ref(), PollFlags::IN)];
        if poll(&mut ends, Some(&limit)).unwrap() > 0 {
            self.out.read_line(&mut line).unwrap();
        }
        let ready = line.trim_end().strip_prefix("ready ");
        ready.unwrap_or_else(|| panic!("it is not ready: {line:?}\n{}", self.log())).to_owned()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        assert!(has_ended(Pid::from_child(&self.child)), "it does not end\n{}", self.log());
        self.child.wait().unwrap()
    }

    /// Asks it to end in order, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    fn signal(&self, signal: Signal) {
        // It may have ended before.
        kill_process(Pid::from_child(&self.child), signal).ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A scheduler, and its agents; ended in order when it is dropped.
#[derive(Debug)]
pub(crate) struct Cell {
    agents: Vec<Daemon>,
    scheduler: Option<Daemon>,
    pub(crate) cli: Cli,
    /// `https://HOST:PORT`.
    pub(crate) url: String,
}

impl Cell {
    /// Starts a scheduler with these further options; all it has is kept in `folder`.
    #[track_caller]
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::start_at(folder, "127.0.0.1:0", options)
    }

    /// The same at an address.
    #[track_caller]
    pub(crate) fn start_at(folder: &Path, listen: &str, options: &[&str]) -> Self {
        let data = folder.join("scheduler");
        let cli = Cli::new(&data.join("client.toml"), folder);
        let scheduler = scheduler(&cli, &data, listen, options);
        let mut cell =
            Self { agents: Vec::new(), scheduler: Some(scheduler), cli, url: String::new() };
        cell.url = cell.scheduler.as_mut().unwrap().ready();
        cell
    }

    /// The data folder of the scheduler.
    pub(crate) fn data(&self) -> PathBuf {
        self.cli.folder.join("scheduler")
    }

    /// Where its scheduler listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("https://").parse().unwrap()
    }

    /// Makes a join file, and returns where it is.
    pub(crate) fn join_file(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.cli.folder.join(format!("{name}.join"));
        let said = self.cli.run(&[&["token", "join"], options].concat()).ok();
        fs::write(&path, said.bytes).unwrap();
        path
    }

    /// Enrols an agent, and starts it.
    #[track_caller]
    pub(crate) fn add_agent(&mut self, name: &str, options: &[&str]) {
        let join = self.join_file(name, &[]);
        self.start_agent(name, &join, options);
    }

    /// The same with variables of its own.
    #[track_caller]
    pub(crate) fn add_agent_with(
        &mut self,
        name: &str,
        variables: &[(&str, &Path)],
        options: &[&str],
    ) {
        let join = self.join_file(name, &[]);
        let words = agent_words(&self.cli, name, &join);
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let mut command = self.cli.command(&words);
        command.envs(variables.iter().copied());
        self.agents.push(Daemon::spawn(&self.cli, name, command));
        self.until_connected(name);
    }

    /// The same in another network.
    #[track_caller]
    pub(crate) fn add_agent_in(&mut self, network: &Namespace, name: &str, options: &[&str]) {
        let join = self.join_file(name, &[]);
        let words = agent_words(&self.cli, name, &join);
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(options.iter().copied()).collect();
        self.agents.push(Daemon::start_in(network, &self.cli, name, &words));
        self.until_connected(name);
    }

    /// The same by another program, which then becomes `repower` itself.
    #[track_caller]
    pub(crate) fn add_agent_by(&mut self, by: &[&str], name: &str, options: &[&str]) {
        let join = self.join_file(name, &[]);
        let words = agent_words(&self.cli, name, &join);
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(options.iter().copied()).collect();
        self.agents.push(Daemon::start_by(by, &self.cli, name, &words));
        self.until_connected(name);
    }

    /// Starts an agent, and asks until it is connected.
    #[track_caller]
    fn start_agent(&mut self, name: &str, join: &Path, options: &[&str]) {
        self.agents.push(agent(&self.cli, name, join, options));
        self.until_connected(name);
    }

    #[track_caller]
    fn until_connected(&self, name: &str) {
        for _ in 0..1000 {
            let node = self.cli.json(&["nodes"])["nodes"].take();
            let mut nodes = node.as_array().unwrap().iter();
            if nodes.any(|node| {
                node["name"] == name && node["phase"] == "up" && node["connected"] == true
            }) {
                return;
            }
        }
        panic!("{name} is not connected\n{}", self.agents.last().unwrap().log());
    }

    /// Starts an agent again that was killed.
    #[track_caller]
    pub(crate) fn restart_agent(&mut self, name: &str) {
        self.restart_agent_with(name, &[]);
    }

    /// Starts an agent again that was killed, with other options.
    #[track_caller]
    pub(crate) fn restart_agent_with(&mut self, name: &str, options: &[&str]) {
        let join = self.cli.folder.join(format!("{name}.join"));
        self.start_agent(name, &join, options);
    }

    /// Kills the agent that was added last.
    pub(crate) fn kill_agent(&mut self) {
        self.agents.pop().unwrap().kill();
    }

    /// Ends the scheduler in order.
    pub(crate) fn stop_scheduler(&mut self) {
        assert!(self.scheduler.take().unwrap().stop().success());
    }

    /// Kills the scheduler.
    pub(crate) fn kill_scheduler(&mut self) {
        self.scheduler.take().unwrap().kill();
    }

    /// Starts the scheduler again, where it was.
    #[track_caller]
    pub(crate) fn start_scheduler(&mut self, options: &[&str]) {
        let address = self.url.trim_start_matches("https://").to_owned();
        let mut scheduler = scheduler(&self.cli, &self.data(), &address, options);
        scheduler.ready();
        self.scheduler = Some(scheduler);
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        for agent in &self.agents {
            agent.signal(Signal::TERM);
        }
        // What does not end in time is killed; to fail here could hide why a test fails.
        for agent in &self.agents {
            has_ended(Pid::from_child(&agent.child));
        }
        if let Some(scheduler) = &self.scheduler {
            scheduler.signal(Signal::TERM);
            has_ended(Pid::from_child(&scheduler.child));
        }
    }
}

/// Waits until a process has ended; false if it takes too long.
pub(crate) fn has_ended(id: Pid) -> bool {
    let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
    let Ok(watched) = pidfd_open(id, PidfdFlags::empty()) else {
        return true;
    };
    poll(&mut [PollFd::new(&watched, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// Starts a scheduler.
pub(crate) fn scheduler(cli: &Cli, data: &Path, listen: &str, options: &[&str]) -> Daemon {
    let data = data.to_str().unwrap();
    let words = ["scheduler", "--data", data, "--listen", listen];
    Daemon::start(cli, "scheduler", &[&words, options].concat())
}

/// Starts an agent; its data folder has its name.
pub(crate) fn agent(cli: &Cli, name: &str, join: &Path, options: &[&str]) -> Daemon {
    let words = agent_words(cli, name, join);
    let words: Vec<&str> =
        words.iter().map(String::as_str).chain(options.iter().copied()).collect();
    Daemon::start(cli, name, &words)
}

fn agent_words(cli: &Cli, name: &str, join: &Path) -> Vec<String> {
    let (data, join) = (cli.folder.join(name), join.to_str().unwrap());
    let data = data.to_str().unwrap();
    ["agent", "--data", data, "--join", join, "--name", name].map(str::to_owned).to_vec()
}
