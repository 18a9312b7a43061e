//! What can go wrong with a simulation.

use repower_core::plan::Discipline;
use repower_core::policy::nearest;
use repower_proto::convert::ConvertError;
use repower_sim::plot::PlotError;
use repower_sim::replay::ReplayError;
use repower_sim::report::StartsError;
use repower_sim::rlscheduler::RlError;
use repower_sim::trace::TraceError;
use repower_store::FileError;
use repower_store::journal::ReadError;

use crate::failure::{Exit, Explain};

/// Why a simulation was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum SimError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("the replay under `{policy}` cannot go on")]
    Replay { policy: Discipline, source: ReplayError },
    #[error("RLScheduler's loop cannot be asked for this")]
    Rlscheduler(#[from] RlError),
    #[error("{option} is for the engine, and the loop of RLScheduler has nothing like it")]
    EngineOnly { option: &'static str },
    #[error(transparent)]
    Starts(#[from] StartsError),
    #[error(transparent)]
    Plot(#[from] PlotError),
    #[error(transparent)]
    Open(#[from] FileError),
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    #[error("fact {seq} of the journal cannot be understood")]
    Fact { seq: u64, source: ConvertError },
    #[error("in the journal of {path} no task ran to its end")]
    NothingRan { path: String },
    #[error("a journal knows projects and users, but no groups")]
    NoGroups,
    #[error("there is no policy `{name}`")]
    PolicyUnknown { name: String, nearest: Option<String> },
    #[error("the policy `{policy}` is named twice")]
    PolicyTwice { policy: Discipline },
    #[error("{path} does not say how many processors its machine has")]
    NoMachine { path: String },
    #[error("there is no node `{name}` to take out; there are {count}, from {first} to {last}")]
    NodeUnknown { name: String, count: usize, first: String, last: String },
    #[error("the machine of this replay has no nodes")]
    NoNodes,
    #[error("no job is left: {given} were in the trace, {outside} of them outside of the window")]
    NoJobs { given: u64, outside: u64 },
}

impl SimError {
    pub(super) fn policy_unknown(name: &str) -> Self {
        let known = Discipline::ALL.iter().map(|one| one.as_str());
        let nearest = nearest(name.trim(), known).map(str::to_owned);
        Self::PolicyUnknown { name: name.to_owned(), nearest }
    }
}

impl Explain for SimError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Trace(error) => error.hint().to_owned(),
            Self::Replay { source, .. } => source.hint().to_owned(),
            Self::Rlscheduler(source) => source.hint().to_owned(),
            Self::EngineOnly { option } => format!("leave {option} out, or --semantics"),
            Self::Starts(StartsError { source, .. })
            | Self::Plot(PlotError::Folder { source, .. } | PlotError::File { source, .. })
                if source.kind() == std::io::ErrorKind::StorageFull =>
            {
                "free some space there, or name another place".to_owned()
            }
            Self::Starts(_) | Self::Plot(_) => "check the folder and its permissions".to_owned(),
            Self::Open(error) => error.hint().to_owned(),
            Self::Read(error) => error.hint().to_owned(),
            Self::Fact { .. } => "use the command line of the scheduler's release".to_owned(),
            Self::NothingRan { .. } => "run some jobs first, or give a trace".to_owned(),
            Self::NoGroups => "use `--project-by user`, or leave it out".to_owned(),
            Self::PolicyUnknown { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::PolicyUnknown { nearest: None, .. } => {
                "`repower sim --help` lists the policies".to_owned()
            }
            Self::PolicyTwice { .. } => "name each policy once".to_owned(),
            Self::NoMachine { .. } => {
                "say what it runs on: `--nodes 4x64`, or `--node-list FILE`".to_owned()
            }
            Self::NodeUnknown { .. } => "equal nodes are called n1, n2 and so on".to_owned(),
            Self::NoNodes => "leave a node in, or add some: `--plus 2x16`".to_owned(),
            Self::NoJobs { .. } => {
                "give a window that has jobs, or nodes that can hold them".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::PolicyUnknown { .. }
            | Self::PolicyTwice { .. }
            | Self::NoGroups
            | Self::EngineOnly { .. }
            | Self::Rlscheduler(_) => Exit::USAGE,
            Self::Trace(_)
            | Self::Replay { .. }
            | Self::Starts(_)
            | Self::Plot(_)
            | Self::Open(_)
            | Self::Read(_)
            | Self::Fact { .. }
            | Self::NothingRan { .. }
            | Self::NoMachine { .. }
            | Self::NodeUnknown { .. }
            | Self::NoNodes
            | Self::NoJobs { .. } => Exit::FAILED,
        }
    }
}
