//! What an agent is told before it starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use repower_model::{LabelRule, check_label};
use serde::{Deserialize, Serialize};

use crate::{Error, address};

/// What an agent is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// The folder that holds the agent's identity and the folders of its tasks. One agent process each.
    pub data: PathBuf,
    /// A join file, as `repower token join` writes it; needed at the first start only.
    pub join: Option<PathBuf>,
    /// The node's name at enrolment; left out: the machine's host name.
    pub name: Option<String>,
    /// Where the scheduler is, `https://host:port`; left out: where it was at enrolment.
    pub scheduler: Option<String>,
    /// By which the ranks of gangs on other nodes reach this one, a name or an address; left out: the
    /// address from which this machine reaches the scheduler.
    pub address: Option<String>,
    /// Processors for tasks, at least 1; left out: those that the agent may use.
    pub cpus: Option<u64>,
    /// Memory for tasks in MiB; left out: all of it.
    pub memory_mib: Option<u64>,
    /// Disk for tasks in MiB; left out: what is free where `data` lies.
    pub disk_mib: Option<u64>,
    /// Countable things for tasks, by name.
    pub extras: BTreeMap<String, u64>,
    /// What jobs can ask of nodes besides amounts, by name.
    pub labels: BTreeMap<String, String>,
    /// Output and other reports that wait for the scheduler, in MiB; above it, tasks are slowed down.
    pub backlog_mib: u64,
    /// Inputs of jobs that are kept for others, in MiB.
    pub cache_mib: u64,
    /// The most that is kept of what one task saves for its next attempt, in MiB.
    pub checkpoint_mib: u64,
    /// The most that files of jobs take of the network in each direction, in KiB a second; left out: all.
    pub transfer_kib_per_second: Option<u64>,
    /// Folders of this node from which jobs may have inputs by `file://`.
    pub shares: Vec<PathBuf>,
    /// The most processes and threads of a task whose job does not say, where the node has control groups; 0: no
    /// limit.
    pub task_pids: u32,
    /// The program of Podman or Docker, for jobs with an image; left out: the first that is found.
    pub engine: Option<PathBuf>,
    /// Starts no process and reports success at once: to measure everything but the processes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_exec: bool,
    /// Whether what tasks do is looked at.
    pub detector: bool,
    /// How many times as fast as in production the detector looks, 1 to 50: for tests and to show it. So much more
    /// than half a hundredth of the time it may cost.
    pub detector_pace: u32,
    /// What SIGTERM means for the tasks.
    pub on_terminate: OnTerminate,
    /// Kills an executor that lives, and with it all tasks of the agent before this one.
    #[serde(skip)]
    pub replace_executor: bool,
    /// What starts an executor, to which the data folder is added as the last argument; empty: this
    /// program itself.
    #[serde(skip)]
    pub executor: Vec<OsString>,
}

/// What SIGTERM means for the tasks of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTerminate {
    /// They are stopped, and the node leaves.
    #[default]
    Stop,
    /// They go on without it until the next agent comes, or the lease is over.
    Keep,
}

impl Options {
    /// The most times as fast as in production that the detector looks.
    const FASTEST: u32 = 50;

    /// Whether an agent can be made of them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cpus == Some(0) {
            return Err(Error::NoProcessors);
        }
        if !(1..=Self::FASTEST).contains(&self.detector_pace) {
            let (asked, most) = (self.detector_pace, Self::FASTEST);
            return Err(Error::BadPace { asked, most });
        }
        if let Some(address) = self.address.as_ref().filter(|one| !address::is_valid(one)) {
            return Err(Error::BadOwnAddress { address: address.clone() });
        }
        let (count, most) = (self.labels.len(), LabelRule::MOST);
        if count > most {
            return Err(Error::TooManyLabels { count, most });
        }
        let mut labels = self.labels.iter();
        let checked = labels.try_for_each(|(name, value)| check_label(name, value));
        checked.map_err(|source| Error::BadLabel { source })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/repower/agent"),
            join: None,
            name: None,
            scheduler: None,
            address: None,
            cpus: None,
            memory_mib: None,
            disk_mib: None,
            extras: BTreeMap::new(),
            labels: BTreeMap::new(),
            backlog_mib: 32,
            cache_mib: 10 << 10,
            checkpoint_mib: 64 << 10,
            transfer_kib_per_second: None,
            shares: Vec::new(),
            task_pids: 4096,
            engine: None,
            no_exec: false,
            detector: true,
            detector_pace: 1,
            on_terminate: OnTerminate::Stop,
            replace_executor: false,
            executor: Vec::new(),
        }
    }
}
