//! `repower bench spawn`: what it costs to start a process in each kind of confinement.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use repower_agent::Launches;

use super::figures::Report;
use super::{BenchError, Common};
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// Options of `repower bench spawn`.
#[derive(Debug, clap::Args)]
pub(super) struct Spawn {
    /// Launches of each kind
    #[arg(long, value_name = "N", default_value_t = 500)]
    launches: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Spawn {
    /// From the launch to the end of `true`, one at a time; the kinds take turns, so that what else
    /// the machine does hits all alike.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        const ROUND: u32 = 25;
        let folder = self.common.folder()?;
        let mut launches = Launches::new(&folder.path())?;
        let names: Vec<&str> = Launches::kinds().collect();
        let mut bare = Vec::new();
        let mut kinds: Vec<Option<Vec<f64>>> = vec![Some(Vec::new()); names.len()];
        for round in 0..self.launches.div_ceil(ROUND) {
            screen.note(format_args!("round {}", round + 1));
            for _ in 0..ROUND {
                let watch = Stopwatch::start();
                posix_spawn()?;
                bare.push(watch.seconds() * 1e6);
            }
            for (kind, values) in kinds.iter_mut().enumerate() {
                launches.prepare(kind);
                for _ in 0..ROUND {
                    let Some(found) = values else { break };
                    let watch = Stopwatch::start();
                    if let Err(error) = launches.launch(kind) {
                        screen.note(format_args!("not on this host: {}: {error}", names[kind]));
                        *values = None;
                        break;
                    }
                    found.push(watch.seconds() * 1e6);
                }
            }
        }
        let mut report =
            Report::new("spawn", "start to end of /bin/true, one at a time".to_owned());
        report.add("posix_spawn", "us", &bare);
        for (name, values) in names.into_iter().zip(kinds) {
            report.add(name, "us", &values.unwrap_or_default());
        }
        Ok(report)
    }
}

/// What the standard library does, with nothing that would keep it from `posix_spawn`.
fn posix_spawn() -> Result<(), BenchError> {
    let mut command = Command::new("/bin/true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let ended = command.status();
    ended
        .map(drop)
        .map_err(|source| BenchError::NotLaunched { program: "/bin/true".into(), source })
}
