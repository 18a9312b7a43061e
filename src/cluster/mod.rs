//! A whole cell on this machine: a scheduler and agents as processes, over the path that every
//! cell uses: TLS, tokens, certificates, the ledger on disk.
//!
//! What `repower dev`, `demo` and `bench` stand on, and the tests of real clusters.

mod process;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_agent::JoinFile;
use repower_proto::v1::{IssueRequest, ListNodesRequest, NodePhase, TokenKind};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use crate::client::{Client, Patience, Profile};
use crate::failure::{Explain, Failure};

pub use process::{Process, ProcessError};

/// How long a process of the cluster may take to be there.
const START: Duration = Duration::from_secs(30);

/// What the cluster is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program to run, this one as a rule.
    pub program: PathBuf,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// How many agents.
    pub agents: usize,
    /// Processors that each agent says it has; `None`: as many as there are.
    pub cpus: Option<u64>,
    /// Whether agents start no process and report success at once.
    pub no_exec: bool,
    /// How long a node may be silent.
    pub lease: Duration,
    /// More options of each agent, as its file has them.
    pub more: toml::Table,
}

/// A scheduler and its agents, running. Dropping it kills them.
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    address: String,
    scheduler: Option<Process>,
    agents: Vec<Option<Process>>,
}

/// The cluster did not come up, or fell.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A folder or file of it could not be written.
    #[error("cannot write {path}", path = path.display())]
    NotWritten {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not all agents joined in time.
    #[error("only {up} of {wanted} agents came up within {} s", START.as_secs())]
    AgentsMissing {
        /// How many did.
        up: usize,
        /// How many should have.
        wanted: usize,
        /// Where their logs are.
        folder: PathBuf,
    },
}

impl Explain for ClusterError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotWritten { .. } => Some("name another folder with --data".to_owned()),
            Self::AgentsMissing { folder, .. } => {
                Some(format!("their logs are agent-*.log in {}", folder.display()))
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SchedulerFile<'a> {
    data: &'a Path,
    listen: &'a str,
    cell: &'a str,
    lease_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AgentFile<'a> {
    data: &'a Path,
    join: &'a Path,
    name: &'a str,
    scheduler: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<u64>,
    no_exec: bool,
    #[serde(flatten)]
    more: &'a toml::Table,
}

impl Cluster {
    /// Starts a scheduler and its agents, and waits until all are connected.
    ///
    /// # Errors
    ///
    /// Whatever kept one of them from starting, with the end of its log.
    pub async fn start(plan: Plan) -> Result<Self, Failure> {
        create(&plan.folder)?;
        let mut cluster =
            Self { address: "127.0.0.1:0".to_owned(), scheduler: None, agents: Vec::new(), plan };
        cluster.start_scheduler().await?;
        let client = cluster.client().await?;
        for at in 0..cluster.plan.agents {
            cluster.configure_agent(&client, at).await?;
            cluster.agents.push(None);
            cluster.start_agent(at)?;
        }
        cluster.all_up(&client).await?;
        Ok(cluster)
    }

    /// The client profile of the cluster's first person.
    pub fn profile_path(&self) -> PathBuf {
        self.data().join("client.toml")
    }

    /// The scheduler's data folder.
    pub fn data(&self) -> PathBuf {
        self.plan.folder.join("scheduler")
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        &self.plan.folder
    }

    /// The scheduler's address, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The scheduler's process, while it runs.
    pub fn scheduler(&self) -> Option<&Process> {
        self.scheduler.as_ref()
    }

    /// An agent's process, while it runs.
    pub fn agent(&self, at: usize) -> Option<&Process> {
        self.agents.get(at)?.as_ref()
    }

    /// A new connection as the cluster's first person.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the profile or the way.
    pub async fn client(&self) -> Result<Client, Failure> {
        let profile = Profile::find(Some(&self.profile_path()))?.profile;
        Ok(Client::connect(&profile).await?)
    }

    /// Starts the scheduler, at the address that it had before if it ran before.
    ///
    /// # Errors
    ///
    /// Whatever kept it from starting, with the end of its log.
    pub async fn start_scheduler(&mut self) -> Result<(), Failure> {
        let data = self.data();
        let lease_ms = u64::try_from(self.plan.lease.as_millis()).unwrap_or(u64::MAX);
        let file = SchedulerFile {
            data: &data,
            listen: &self.address,
            cell: "repower.local/dev",
            lease_ms,
        };
        let config = self.plan.folder.join("scheduler.toml");
        write(&config, &as_toml(&file))?;
        let log = self.plan.folder.join("scheduler.log");
        let mut process = Process::start(&self.plan.program, "scheduler", &config, &log)?;
        let ready = process.ready(START).await?;
        ready.trim_start_matches("https://").clone_into(&mut self.address);
        self.scheduler = Some(process);
        Ok(())
    }

    /// Starts an agent that has been enrolled.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if it cannot be launched.
    pub fn start_agent(&mut self, at: usize) -> Result<(), Failure> {
        let name = agent_name(at);
        let config = self.plan.folder.join(format!("{name}.toml"));
        let log = self.plan.folder.join(format!("agent-{name}.log"));
        self.agents[at] = Some(Process::start(&self.plan.program, "agent", &config, &log)?);
        Ok(())
    }

    /// What is started from now on runs this program.
    pub fn use_program(&mut self, program: PathBuf) {
        self.plan.program = program;
    }

    /// Kills the scheduler with SIGKILL.
    pub async fn kill_scheduler(&mut self) {
        if let Some(process) = self.scheduler.take() {
            process.kill().await;
        }
    }

    /// Kills an agent with SIGKILL; its tasks go on, up to the end of the lease.
    pub async fn kill_agent(&mut self, at: usize) {
        if let Some(process) = self.agents[at].take() {
            process.kill().await;
        }
    }

    /// Kills an agent and its executor with SIGKILL; its tasks are orphans until it starts again.
    pub async fn kill_node(&mut self, at: usize) {
        self.kill_agent(at).await;
        if let Some(executor) = self.executor(at) {
            process::kill(executor);
        }
    }

    /// Kills the executor of an agent with SIGKILL, and with it all that its node runs; returns whether there was one.
    pub fn kill_executor(&self, at: usize) -> bool {
        let executor = self.executor(at);
        executor.into_iter().for_each(process::kill);
        executor.is_some()
    }

    /// The process of an agent's executor, while it runs.
    pub fn executor(&self, at: usize) -> Option<u32> {
        let lock = self.plan.folder.join(agent_name(at)).join("executor/lock");
        let is_free =
            flock(fs::File::open(&lock).ok()?, FlockOperation::NonBlockingLockShared).is_ok();
        // Whose number is in a lock that nobody holds has ended.
        if is_free { None } else { fs::read_to_string(lock).ok()?.trim().parse().ok() }
    }

    /// Ends all in order: agents, then the scheduler. What does not end in time is killed. An agent
    /// that was killed before is started once more, because it then ends what it had left running.
    pub async fn stop(mut self) {
        let killed: Vec<usize> =
            (0..self.agents.len()).filter(|at| self.agents[*at].is_none()).collect();
        let started = killed.iter().filter(|at| self.start_agent(**at).is_ok()).count();
        // An agent says hello when it has cleaned up. One that cannot is ended with the others.
        if started > 0
            && let Ok(client) = self.client().await
        {
            drop(self.all_up(&client).await);
        }
        let agents: Vec<Process> = self.agents.iter_mut().filter_map(Option::take).collect();
        for agent in &agents {
            agent.terminate();
        }
        for agent in agents {
            agent.ended().await;
        }
        if let Some(scheduler) = self.scheduler.take() {
            scheduler.terminate();
            scheduler.ended().await;
        }
    }

    /// Writes what an agent is started with; one of an earlier run keeps its identity.
    async fn configure_agent(&self, client: &Client, at: usize) -> Result<(), Failure> {
        let name = agent_name(at);
        let scheduler = format!("https://{}", self.address);
        let (join, data) =
            (self.plan.folder.join(format!("{name}.join")), self.plan.folder.join(&name));
        if !repower_agent::is_enrolled(&data) {
            self.allow_agent(client, &name, &scheduler, &join).await?;
        }
        create(&data)?;
        let Plan { cpus, no_exec, ref more, .. } = self.plan;
        let (join, name, scheduler) = (join.as_path(), name.as_str(), scheduler.as_str());
        let file = AgentFile { data: &data, join, name, scheduler, cpus, no_exec, more };
        write(&self.plan.folder.join(format!("{name}.toml")), &as_toml(&file))?;
        Ok(())
    }

    /// Writes a join file for a new agent.
    async fn allow_agent(
        &self,
        client: &Client,
        name: &str,
        scheduler: &str,
        join: &Path,
    ) -> Result<(), Failure> {
        let name = name.to_owned();
        let request =
            IssueRequest { kind: TokenKind::Join.into(), name, ..IssueRequest::default() };
        let issued =
            client.access().issue(request).await.map_err(|status| client.refused(&status))?;
        let issued = issued.into_inner();
        let file = JoinFile {
            scheduler: scheduler.to_owned(),
            authority: issued.authority_pem,
            secret: issued.secret,
        };
        write(join, &as_toml(&file))?;
        Ok(())
    }

    /// Waits until all agents are connected.
    ///
    /// # Errors
    ///
    /// [`ClusterError::AgentsMissing`] if they are not in time.
    pub async fn all_up(&self, client: &Client) -> Result<(), Failure> {
        let mut patience = Patience::of(START);
        loop {
            let reply = client.nodes().list(ListNodesRequest {}).await;
            let nodes = reply.map_err(|status| client.refused(&status))?.into_inner().nodes;
            let is_up = |node: &&_| {
                let node: &&repower_proto::v1::NodeSummary = node;
                node.phase() == NodePhase::Up && node.connected
            };
            let up = nodes.iter().filter(is_up).count();
            if up >= self.plan.agents {
                return Ok(());
            }
            if !patience.wait().await {
                let (wanted, folder) = (self.plan.agents, self.plan.folder.clone());
                return Err(ClusterError::AgentsMissing { up, wanted, folder }.into());
            }
        }
    }
}

fn as_toml(value: &impl Serialize) -> String {
    toml::to_string(value).expect("plain values are TOML")
}

/// The name of an agent: `n1`, `n2`, ..
pub fn agent_name(at: usize) -> String {
    format!("n{}", at + 1)
}

fn create(path: &Path) -> Result<(), ClusterError> {
    fs::create_dir_all(path)
        .map_err(|source| ClusterError::NotWritten { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|source| ClusterError::NotWritten { path: path.to_owned(), source })
}
