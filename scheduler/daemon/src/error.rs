//! Why a scheduler cannot start, or ended.

use std::net::SocketAddr;
use std::path::PathBuf;

use repower_core::refusal::Refusal;
use repower_proto::convert::ConvertError;
use repower_store::FileError;
use repower_store::journal::ReadError;
use repower_store::sqlite::OpenError;

/// Why a scheduler cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option is out of bounds.
    #[error("the option `{option}` {problem}")]
    BadOption {
        /// Which.
        option: &'static str,
        /// What is wrong with it, with both numbers.
        problem: String,
    },
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The file for what tasks print cannot be opened.
    #[error(transparent)]
    Output(#[from] FileError),
    /// The store of artefacts cannot be opened.
    #[error("the store of artefacts cannot be opened")]
    Artefacts {
        /// Why not.
        #[source]
        source: repower_artefacts::Fault,
    },
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[source] ReadError),
    /// A fact of the ledger cannot be understood.
    #[error("fact {seq} of the ledger is not one that this version knows")]
    Fact {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: ConvertError,
    },
    /// A snapshot was taken of facts that the ledger no longer has.
    #[error(
        "the ledger has {facts} facts, but a snapshot of {snapshot} was taken of it: its tail is lost"
    )]
    RolledBack {
        /// How many facts the ledger has.
        facts: u64,
        /// How many it had when the snapshot was taken.
        snapshot: u64,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The policy of the ledger has rules that this build cannot use.
    #[error("the policy {version}, which is in force, cannot be used by this build: {problem}")]
    RulesInForce {
        /// Its own version.
        version: String,
        /// What is wrong.
        problem: String,
    },
    /// The policy file is not a policy.
    #[error("the policy {} is not valid: {problem}", path.display())]
    Policy {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A certificate or key cannot be made or used.
    #[error("cannot use the certificate or key in {}", path.display())]
    Certificate {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name that no certificate can have.
    #[error("`{name}` is neither a DNS name nor an address")]
    BadName {
        /// As given.
        name: String,
    },
    /// Another program listens there.
    #[error("the port of {address} is in use by another program")]
    PortInUse {
        /// Where.
        address: SocketAddr,
    },
    /// It cannot listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The system refuses a thread.
    #[error("the system refuses another thread")]
    Thread(#[source] std::io::Error),
    /// The first facts of a new cell could not be made durable.
    #[error("the cell cannot be founded: {problem}")]
    Founding {
        /// Why.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The engine refused something that the daemon itself asked for.
    #[error("the engine refuses the daemon")]
    Engine(#[source] Refusal),
    /// The loop that owns the engine ended: a bug.
    #[error("the loop that owns the engine has ended, which is a bug")]
    LoopEnded,
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadOption { .. } => "correct the option",
            Self::Ledger(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Artefacts { source } => source.hint(),
            Self::Read(_) => {
                "run `repower ledger verify --data FOLDER` on the data folder, and restore it from a backup if it is damaged"
            }
            Self::Fact { .. } => "start the version of Repower that was used last, or a newer one",
            Self::RolledBack { .. } => {
                "restore the whole data folder, with ledger.db-wal; to go on without the lost facts, remove its `snapshots` folder"
            }
            Self::File { .. } => "check that the folder exists, and that this user may write it",
            Self::Policy { .. } => "`repower policy check FILE` tells what is wrong",
            Self::RulesInForce { .. } => {
                "start a build with `--features yara`, or put another policy in force with --policy FILE"
            }
            Self::Certificate { .. } => {
                "restore the `tls` folder of the data folder from a backup; agents and clients trust its authority"
            }
            Self::BadName { .. } => "name hosts as in DNS, or addresses like 192.0.2.1",
            Self::PortInUse { .. } => {
                "stop the other program, or choose another port with --listen; port 0 takes a free one"
            }
            Self::Listen { .. } => "name an address of this machine with --listen",
            Self::Random(_) => "check /dev/urandom",
            Self::Thread(_) => "check the limits of this process (threads, memory)",
            Self::Founding { hint, .. } => return hint.clone(),
            Self::Engine(refusal) => return refusal.hint(),
            Self::LoopEnded => {
                "report this with the log; what was acknowledged is safe, and a restart goes on"
            }
        };
        Some(hint.to_owned())
    }
}
