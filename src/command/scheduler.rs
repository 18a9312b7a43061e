//! `repower scheduler`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use repower_scheduler::{Options, Ready};

use super::daemon::{self, Stay};
use super::retention::Retention;
use crate::arguments::Look;
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::duration;
use crate::jobfile::size::Size;
use crate::render::{OutputError, Screen};

/// How long the threads of the runtime may take to end after the scheduler has.
const LINGER: Duration = Duration::from_secs(1);

/// Options of `repower scheduler`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
At its first start it makes an authority, a ledger, and a client profile for its
first operator: client.toml, in the data folder.")]
pub struct Scheduler {
    /// TOML file with these options; what is given here wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of ledger, output and certificates [default: /var/lib/repower/scheduler, or below
    /// the folder for state]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Address and port to listen at; port 0 takes a free one [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Further name or address that clients and agents may reach it by; may be repeated
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    names: Vec<String>,
    /// Policy file to put in force [default: the one in force, or the built-in one]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Name of the cell, as in its signed heads [default: repower]
    #[arg(long, value_name = "NAME")]
    cell: Option<String>,
    /// Give a node up that is silent for this long [default: 60s]
    #[arg(long, value_name = "SPAN")]
    lease: Option<duration::Duration>,
    /// Bound of each output stream of a task: half for its beginning, half for its end [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    output_limit: Option<Size>,
    /// Where the files of jobs are: a folder or `s3://BUCKET/PREFIX` [default: in the data folder]
    #[arg(long, value_name = "PLACE")]
    artefacts: Option<String>,
    /// File of lines like `AWS_ACCESS_KEY_ID=..` for a bucket [default: the environment has them]
    #[arg(long, value_name = "FILE")]
    artefacts_credentials: Option<PathBuf>,
    /// Keep the inputs of an ended job so long, for another submission [default: 7d]
    #[arg(long, value_name = "SPAN")]
    keep_inputs: Option<duration::Duration>,
    /// How old the output of ended tasks gets, how large all of it, or both, as in `30d,20GiB`; `forever`:
    /// nothing is removed [default: 90d,64GiB]
    #[arg(long, value_name = "AGE,SIZE")]
    output_retention: Option<Retention>,
    #[command(flatten)]
    stay: Stay,
    #[command(flatten)]
    pub(super) look: Look,
}

impl Explain for repower_scheduler::Error {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        match self {
            Self::BadOption { .. } | Self::BadName { .. } | Self::Policy { .. } => Exit::USAGE,
            Self::Ledger(_)
            | Self::Output(_)
            | Self::Artefacts { .. }
            | Self::Read(_)
            | Self::Fact { .. }
            | Self::RolledBack { .. }
            | Self::File { .. }
            | Self::RulesInForce { .. }
            | Self::Certificate { .. }
            | Self::PortInUse { .. }
            | Self::Listen { .. }
            | Self::Random(_)
            | Self::Thread(_)
            | Self::Founding { .. }
            | Self::Engine(_)
            | Self::LoopEnded => Exit::FAILED,
        }
    }
}

impl Scheduler {
    /// Runs the scheduler until it is told to end.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        self.stay.start()?;
        let options = self.options()?;
        let profile = options.data.join("client.toml");
        let ready = |ready: Ready| {
            // Whoever started it and closed the other end does not want to know.
            drop(announce(screen, &ready));
            screen.note(format_args!("its operator's profile is {}", profile.display()));
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(super::StartError::from)?;
        let service = daemon::until_told(|told| {
            repower_scheduler::run(options, ready, told.asked_by_anything())
        });
        let ended = runtime.block_on(service);
        // What blocks in a thread must not hold the process: everything that matters is durable.
        runtime.shutdown_timeout(LINGER);
        ended
    }

    fn options(self) -> Result<Options, Failure> {
        let file: Options = daemon::configuration(self.config.as_deref())?;
        let unset = file.data == Options::default().data;
        let data = self
            .data
            .unwrap_or_else(|| if unset { daemon::data_folder("scheduler") } else { file.data });
        let mut names = file.names;
        names.extend(self.names);
        let kept = Retention::of(file.output_keep_ms, file.output_total_bytes);
        let retention = self.output_retention.unwrap_or(kept);
        Ok(Options {
            data,
            listen: self.listen.unwrap_or(file.listen),
            names,
            policy: self.policy.or(file.policy),
            cell: self.cell.unwrap_or(file.cell),
            lease_ms: self.lease.map_or(file.lease_ms, duration::Duration::as_millis),
            output_bytes: self.output_limit.map_or(file.output_bytes, Size::as_bytes),
            artefacts: self.artefacts.or(file.artefacts),
            artefacts_credentials: self.artefacts_credentials.or(file.artefacts_credentials),
            keep_inputs_hours: self.keep_inputs.map_or(file.keep_inputs_hours, hours),
            output_keep_ms: retention.keep_ms,
            output_total_bytes: retention.total_bytes,
            ..file
        })
    }
}

/// Whole hours, rounded up.
fn hours(span: duration::Duration) -> u32 {
    u32::try_from(span.as_millis().div_ceil(3_600_000)).unwrap_or(u32::MAX)
}

/// Writes the line that says where it serves, for whoever started it.
fn announce(screen: &mut Screen, ready: &Ready) -> Result<(), OutputError> {
    if screen.is_json() {
        screen.json_line(&serde_json::json!({ "ready": ready.url, "facts": ready.facts }))?;
    } else {
        screen.line(format_args!("ready {}", ready.url))?;
    }
    screen.flush()
}

#[cfg(test)]
mod tests {
    use crate::text::TomlError;

    /// Returns the example on the page about the command line that begins with this line.
    fn example(first: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
        let page = std::fs::read_to_string(path).expect("the page is there");
        let start = page.find(&format!("```toml\n{first}\n")).expect("it is on the page");
        let lines: Vec<&str> =
            page[start..].lines().skip(1).take_while(|line| *line != "```").collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn the_documented_configurations_are_read() {
        let (scheduler, agent) = (example("# scheduler.toml"), example("# agent.toml"));

        let scheduler = toml::from_str::<repower_scheduler::Options>(&scheduler)
            .map_err(|error| TomlError::new(&scheduler, &error));
        let agent = toml::from_str::<repower_agent::Options>(&agent)
            .map_err(|error| TomlError::new(&agent, &error));

        scheduler.expect("read").check().expect("in bounds");
        assert_eq!(agent.expect("read").extras["licence"], 2);
    }

    #[test]
    fn the_documented_job_file_is_read() {
        let file = example("name = \"sweep\"");

        let job = crate::jobfile::document::read("job.toml", &file).expect("read");

        assert_eq!(job.command, ["./train", "--lr", "0.1"]);
    }
}
