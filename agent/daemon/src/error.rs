//! Why an agent cannot start or must end.

use std::path::PathBuf;

use repower_model::LabelError;

/// Why an agent cannot start or must end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache of inputs cannot be opened.
    #[error("the cache of inputs cannot be opened")]
    Cache {
        /// Why not.
        #[source]
        source: Box<repower_artefacts::Fault>,
    },
    /// The join file cannot be read.
    #[error("cannot read the join file {}", path.display())]
    JoinFileUnreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The join file is not what it should be.
    #[error("the join file {} is malformed", path.display())]
    JoinFileMalformed {
        /// Where.
        path: PathBuf,
        /// Line, column and what is wrong there.
        source: Malformed,
    },
    /// There is neither an identity nor a join file.
    #[error("this agent has not enrolled: {} holds no identity, and no join file was given", data.display())]
    NotEnrolled {
        /// The data folder.
        data: PathBuf,
    },
    /// The join file is of another scheduler than the one at which this agent has enrolled.
    #[error("{} already holds an agent ({name}) of another scheduler than the join file's", data.display())]
    EnrolledElsewhere {
        /// The data folder.
        data: PathBuf,
        /// The node's name there.
        name: String,
    },
    /// The name cannot be a node's.
    #[error(
        "\"{name}\" cannot be a node's name: it takes 1 to 63 characters of a-z, 0-9, '-', '.' and '_'"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The address is not one.
    #[error("\"{address}\" is not the address of a scheduler: it has the form https://host:port")]
    BadAddress {
        /// The address.
        address: String,
    },
    /// There is no processor for tasks.
    #[error("`cpus` is 0, but a node needs at least 1 processor for tasks")]
    NoProcessors,
    /// The detector cannot look that fast.
    #[error("`detector-pace` is {asked}, but it is between 1 and {most}")]
    BadPace {
        /// What was asked for.
        asked: u32,
        /// The fastest.
        most: u32,
    },
    /// Something that cannot be a label.
    #[error("a label of this node is not one")]
    BadLabel {
        /// What is wrong with it.
        source: LabelError,
    },
    /// More labels than a node can have.
    #[error("this node has {count} labels, but at most {most} are kept")]
    TooManyLabels {
        /// How many were given.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// The node's own address cannot be one.
    #[error("`address` is {address:?}, which is neither a name nor an address of a host")]
    BadOwnAddress {
        /// As given.
        address: String,
    },
    /// A certificate or key of the join file or the identity is not one.
    #[error("the certificates for {scheduler} cannot be used")]
    BadCertificates {
        /// Of which scheduler.
        scheduler: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody answers.
    #[error("cannot reach the scheduler at {scheduler} ({tries} tries)")]
    Unreachable {
        /// Where.
        scheduler: String,
        /// How often.
        tries: u32,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Who answers has a certificate of another authority.
    #[error("who answers at {scheduler} is not the scheduler that this agent trusts")]
    WrongAuthority {
        /// Where.
        scheduler: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The scheduler refuses the join token.
    #[error("the scheduler at {scheduler} refuses the join token: {message}")]
    TokenRefused {
        /// Where.
        scheduler: String,
        /// What it said.
        message: String,
    },
    /// Another node has this name.
    #[error("the scheduler at {scheduler} already has a node named {name}")]
    NameTaken {
        /// Where.
        scheduler: String,
        /// The name.
        name: String,
    },
    /// The scheduler refuses the enrolment for another reason.
    #[error("the scheduler at {scheduler} refuses to enrol {name}: {message}")]
    EnrolmentRefused {
        /// Where.
        scheduler: String,
        /// The name.
        name: String,
        /// What it said.
        message: String,
    },
    /// The scheduler refuses the agent's certificate.
    #[error(
        "the scheduler at {scheduler} refuses the certificate of this agent ({name}): {message}"
    )]
    CertificateRefused {
        /// Where.
        scheduler: String,
        /// The node's name.
        name: String,
        /// What it said.
        message: String,
    },
    /// The scheduler has sent the agent away for good.
    #[error("the scheduler has dismissed this agent: {reason}")]
    Dismissed {
        /// What it said.
        reason: String,
    },
    /// Another agent process uses this data folder.
    #[error("another agent process uses {}", path.display())]
    DataFolderInUse {
        /// Where.
        path: PathBuf,
    },
    /// The data folder cannot be used.
    #[error("cannot use {}", path.display())]
    DataFolder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The stored identity is not one.
    #[error("the identity in {} is malformed", path.display())]
    IdentityMalformed {
        /// Where.
        path: PathBuf,
        /// Line, column and what is wrong there.
        source: Box<toml::de::Error>,
    },
    /// An executor was started by hand.
    #[error("an executor is started by its agent only")]
    NotForPeople,
    /// There is an executor already.
    #[error("{} already has an executor", path.display())]
    SecondExecutor {
        /// Its folder.
        path: PathBuf,
    },
    /// An executor lives, but does not answer.
    #[error("the executor of {} lives, but does not answer", path.display())]
    ExecutorSilent {
        /// Its folder.
        path: PathBuf,
    },
    /// Another user's process is where the executor should be.
    #[error("who answers in {} is another user's process", path.display())]
    ForeignExecutor {
        /// Its folder.
        path: PathBuf,
    },
    /// The executor speaks another protocol.
    #[error(
        "the executor of this node (process {pid}, version {version}) speaks protocol {theirs}, and this agent {ours}"
    )]
    OtherProtocol {
        /// Its process.
        pid: i32,
        /// Its build.
        version: String,
        /// Its protocol.
        theirs: u32,
        /// This agent's.
        ours: u32,
    },
    /// The executor says something that makes no sense.
    #[error("the executor says something that makes no sense")]
    StrangeExecutor {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The executor's program cannot be run.
    #[error("the executor ({}) cannot be started", program.display())]
    ExecutorNotStarted {
        /// Its program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The executor has ended at once.
    #[error("the executor did not start: {log}")]
    ExecutorFailed {
        /// The end of its log.
        log: String,
        /// Where all of it is.
        path: PathBuf,
    },
    /// The system refuses something that the agent cannot do without.
    #[error("the system refuses {what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Cache { source } => source.hint(),
            Self::JoinFileUnreadable { .. } => {
                "check the path and its permissions, or make a join file with `repower token join`"
            }
            Self::JoinFileMalformed { .. } => "make a new join file with `repower token join`",
            Self::NotEnrolled { .. } => {
                "make a join file on the scheduler with `repower token join`, and give it with `--join FILE`"
            }
            Self::EnrolledElsewhere { .. } => {
                "give another data folder, or remove this one if the old node is not needed"
            }
            Self::BadName { .. } => "choose another name with `--name`",
            Self::BadAddress { .. } => "correct `scheduler`",
            Self::BadLabel { .. } => "write labels as name=value, for example --label gpu=v100",
            Self::TooManyLabels { .. } => "keep those that jobs ask for",
            Self::NoProcessors => "give `cpus` a number from 1, or leave it out for all processors",
            Self::BadPace { .. } => {
                "leave `detector-pace` out: more than 1 is for tests and to show the detector"
            }
            Self::BadOwnAddress { .. } => {
                "give `address` the name or address by which other nodes reach this one, or leave it out"
            }
            Self::BadCertificates { .. } => "make a new join file with `repower token join`",
            Self::Unreachable { .. } => {
                "check that the scheduler runs, that the address is right, and that no firewall is between"
            }
            Self::WrongAuthority { .. } => {
                "check the address; if the scheduler was set up anew, enrol again with a new join file and data folder"
            }
            Self::TokenRefused { .. } => {
                "a join token is good for one agent and a day: make a new one with `repower token join`"
            }
            Self::NameTaken { .. } => "choose another name with `--name`",
            Self::EnrolmentRefused { .. } => "correct what the scheduler names, and try again",
            Self::CertificateRefused { .. } => {
                "enrol again with a new join file and an empty data folder"
            }
            Self::Dismissed { .. } => "ask the operator of the scheduler",
            Self::DataFolderInUse { .. } => {
                "stop the other agent, or give this one another data folder"
            }
            Self::DataFolder { .. } => {
                "check that the folder can be made and written by this user, and that the disk is not full"
            }
            Self::IdentityMalformed { .. } => {
                "restore the file, or enrol again with a new join file and an empty data folder"
            }
            Self::NotForPeople => "start an agent with `repower agent`: it starts its executor",
            Self::SecondExecutor { .. } => {
                "nothing needs to be done: the agent uses the one that lives"
            }
            Self::ExecutorSilent { .. } => {
                "its log is in its folder; `--replace-executor` ends it, and its tasks with it"
            }
            Self::ForeignExecutor { .. } => {
                "check who owns the data folder, and run the agent as that user"
            }
            Self::OtherProtocol { .. } => {
                "run the agent's old version until its tasks have ended, or end them with `--replace-executor`"
            }
            Self::StrangeExecutor { .. } => {
                "end it, and its tasks with it, with `--replace-executor`"
            }
            Self::ExecutorNotStarted { .. } => "check that the program is there and may be run",
            Self::ExecutorFailed { .. } => "its whole log is executor/log in the data folder",
            Self::System { .. } => "check the limits of this process (open files, threads, memory)",
        }
    }
}

/// What is wrong in a file with secrets: where, and what, but not the line itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct Malformed {
    line: usize,
    column: usize,
    problem: String,
}

impl Malformed {
    pub(crate) fn new(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            problem: error.message().to_owned(),
        }
    }
}
