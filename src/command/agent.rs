//! `repower agent`.

use std::path::PathBuf;

use repower_agent::{OnTerminate, Options};
use repower_model::{LabelError, check_label};

use super::daemon::{self, Stay};
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::extra::Extra;
use crate::jobfile::size::Size;

/// Options of `repower agent`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first start needs a join file, which an operator makes:
  repower token join --node rig-07 --to rig-07.join
  repower agent --join rig-07.join --name rig-07")]
pub struct Agent {
    /// TOML file with these options; what is given here wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of its identity and of its tasks [default: /var/lib/repower/agent, or below the
    /// folder for state]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Join file; needed at the first start only
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// Name of the node at enrolment [default: the machine's host name]
    #[arg(long)]
    name: Option<String>,
    /// Address of the scheduler [default: where it was at enrolment]
    #[arg(long, value_name = "URL")]
    scheduler: Option<String>,
    /// Name or address by which the ranks of gangs on other nodes reach this one [default: the
    /// address from which it reaches the scheduler]
    #[arg(long, value_name = "HOST")]
    address: Option<String>,
    /// Processors for tasks [default: all]
    #[arg(long, value_name = "NUMBER", help_heading = "What tasks may use")]
    cpus: Option<u64>,
    /// Memory for tasks [default: all]
    #[arg(long, value_name = "SIZE", help_heading = "What tasks may use")]
    memory: Option<Size>,
    /// Disk for tasks [default: what is free]
    #[arg(long, value_name = "SIZE", help_heading = "What tasks may use")]
    disk: Option<Size>,
    /// So many of a thing that tasks can ask for: licence=2
    #[arg(
        long,
        value_name = "NAME=AMOUNT",
        value_delimiter = ',',
        help_heading = "What tasks may use"
    )]
    extra: Vec<Extra>,
    /// What jobs can ask of nodes besides amounts: gpu=v100
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, help_heading = "What tasks may use")]
    label: Vec<(String, String)>,
    /// Output that may wait for the scheduler before tasks are slowed down [default: 32MiB]
    #[arg(long, value_name = "SIZE", help_heading = "What tasks may use")]
    backlog: Option<Size>,
    /// Inputs that are kept for other jobs [default: 10GiB]
    #[arg(long, value_name = "SIZE", help_heading = "Files of jobs")]
    cache: Option<Size>,
    /// Most that is kept of what one task saves for its next attempt [default: 64GiB]
    #[arg(long, value_name = "SIZE", help_heading = "Files of jobs")]
    checkpoint_limit: Option<Size>,
    /// Most of the network that files take each way, in bytes a second: 10M [default: all]
    #[arg(long, value_name = "SIZE", help_heading = "Files of jobs")]
    transfer_rate: Option<Size>,
    /// Folder of this node from which jobs may have inputs (`file://`); may be repeated
    #[arg(long, value_name = "FOLDER", help_heading = "Files of jobs")]
    share: Vec<PathBuf>,
    /// Most processes and threads of a task whose job does not say; 0: no limit [default: 4096]
    #[arg(long, value_name = "NUMBER", help_heading = "What tasks may use")]
    task_pids: Option<u32>,
    /// Podman or Docker, for jobs with an image [default: the first that is found]
    #[arg(long, value_name = "PROGRAM", help_heading = "What tasks may use")]
    engine: Option<PathBuf>,
    /// What SIGTERM means for tasks that run: stop them, or keep them for the next agent [default:
    /// stop]
    #[arg(long, value_name = "WHAT", value_parser = on_terminate, help_heading = "Restarts")]
    on_terminate: Option<OnTerminate>,
    /// Kill what an agent of another version has left running, instead of taking it over
    #[arg(long, help_heading = "Restarts")]
    replace_executor: bool,
    /// Look at what tasks do, and tell of what looks like mining: on or off [default: on]
    #[arg(long, value_name = "WHETHER", value_parser = on_or_off, help_heading = "Detector")]
    detector: Option<bool>,
    /// Look so many times as fast as in production, up to 50, for so many hundredths of a processor: for tests and
    /// to show it [default: 1]
    #[arg(long, value_name = "TIMES", help_heading = "Detector")]
    detector_pace: Option<u32>,
    /// Start no process and report success: measures everything but the processes
    #[arg(long, hide = true)]
    no_exec: bool,
    #[command(flatten)]
    stay: Stay,
}

impl Explain for repower_agent::Error {
    fn hint(&self) -> Option<String> {
        Some(Self::hint(self).to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::WrongAuthority { .. } => Exit::UNREACHABLE,
            Self::TokenRefused { .. } | Self::CertificateRefused { .. } => Exit::DENIED,
            Self::BadName { .. }
            | Self::BadAddress { .. }
            | Self::NoProcessors
            | Self::BadPace { .. }
            | Self::BadLabel { .. }
            | Self::TooManyLabels { .. }
            | Self::BadOwnAddress { .. }
            | Self::NotForPeople
            | Self::NotEnrolled { .. } => Exit::USAGE,
            Self::JoinFileUnreadable { .. }
            | Self::JoinFileMalformed { .. }
            | Self::EnrolledElsewhere { .. }
            | Self::BadCertificates { .. }
            | Self::NameTaken { .. }
            | Self::EnrolmentRefused { .. }
            | Self::Dismissed { .. }
            | Self::DataFolderInUse { .. }
            | Self::DataFolder { .. }
            | Self::IdentityMalformed { .. }
            | Self::SecondExecutor { .. }
            | Self::ExecutorSilent { .. }
            | Self::ForeignExecutor { .. }
            | Self::OtherProtocol { .. }
            | Self::StrangeExecutor { .. }
            | Self::ExecutorNotStarted { .. }
            | Self::ExecutorFailed { .. }
            | Self::Cache { .. }
            | Self::System { .. } => Exit::FAILED,
        }
    }
}

impl Agent {
    /// Runs the agent until it is told to end.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        self.stay.start()?;
        let options = self.options()?;
        super::asking(daemon::until_told(|shutdown| repower_agent::run(options, shutdown.asked())))
    }

    fn options(self) -> Result<Options, Failure> {
        let file: Options = daemon::configuration(self.config.as_deref())?;
        let unset = self.config.is_none() || file.data == Options::default().data;
        let data = self
            .data
            .unwrap_or_else(|| if unset { daemon::data_folder("agent") } else { file.data });
        let mut extras = file.extras;
        extras.extend(self.extra.into_iter().map(|extra| (extra.name, extra.amount)));
        let mut labels = file.labels;
        labels.extend(self.label);
        let mut shares = file.shares;
        shares.extend(self.share);
        Ok(Options {
            data,
            join: self.join.or(file.join),
            name: self.name.or(file.name),
            scheduler: self.scheduler.or(file.scheduler),
            address: self.address.or(file.address),
            cpus: self.cpus.or(file.cpus),
            memory_mib: self.memory.map(mebibytes).or(file.memory_mib),
            disk_mib: self.disk.map(mebibytes).or(file.disk_mib),
            extras,
            labels,
            backlog_mib: self.backlog.map_or(file.backlog_mib, mebibytes),
            cache_mib: self.cache.map_or(file.cache_mib, mebibytes),
            checkpoint_mib: self.checkpoint_limit.map_or(file.checkpoint_mib, mebibytes),
            transfer_kib_per_second: self
                .transfer_rate
                .map(|rate| rate.as_bytes().div_ceil(1024))
                .or(file.transfer_kib_per_second),
            shares,
            task_pids: self.task_pids.unwrap_or(file.task_pids),
            engine: self.engine.or(file.engine),
            no_exec: self.no_exec || file.no_exec,
            detector: self.detector.unwrap_or(file.detector),
            detector_pace: self.detector_pace.unwrap_or(file.detector_pace),
            on_terminate: self.on_terminate.unwrap_or(file.on_terminate),
            replace_executor: self.replace_executor,
            executor: Vec::new(),
        })
    }
}

/// Reads a switch.
fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off"),
    }
}

/// Reads what SIGTERM means.
fn on_terminate(text: &str) -> Result<OnTerminate, &'static str> {
    match text {
        "stop" => Ok(OnTerminate::Stop),
        "keep" => Ok(OnTerminate::Keep),
        _ => Err("it is stop or keep"),
    }
}

/// Reads the name and the value of a label.
fn label(text: &str) -> Result<(String, String), LabelError> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    check_label(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Returns whole MiB, rounded down but at least one.
fn mebibytes(size: Size) -> u64 {
    (size.as_bytes() >> 20).max(1)
}
