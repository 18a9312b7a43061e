//! Connections: which are pool-like by their shape.

use std::time::Duration;

use repower_agent::sense::Sensors;
use repower_agent_core::detect::{Rule, Settings};

use super::family::Family;
use super::honest::Bench;
use super::observe::{faster, observe};
use crate::load::{Conversation, Server};

/// All conversations, with what is expected of the rule.
pub const ALL: &[(&str, Conversation, bool)] = &[
    ("pool-like JSON over TCP", Conversation::Pool, true),
    ("the same within TLS", Conversation::PoolTls, true),
    ("idle gRPC channel, kept alive", Conversation::Grpc, false),
    ("metrics pushed", Conversation::Metrics, false),
    ("events listened to", Conversation::Events, false),
];

/// What one conversation has given.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Whether it should be noticed.
    pub is_pool: bool,
    /// Windows that were filled.
    pub windows: u64,
    /// How many of them were pool-like.
    pub noticed: u64,
    /// Samples as recorded.
    pub lines: Vec<String>,
}

/// Watches a conversation, `pace` times faster than in real life, until `windows` are filled.
///
/// # Errors
///
/// A server or client that cannot be started.
pub fn run(
    bench: &Bench,
    sensors: &mut Sensors,
    (name, how, is_pool): (&'static str, Conversation, bool),
    pace: u32,
    windows: u64,
) -> anyhow::Result<Row> {
    use clap::ValueEnum as _;
    let folder = tempfile::tempdir_in(&bench.folder)?;
    let server = Server::start(how, pace, folder.path())?;
    let word = how.to_possible_value().map(|value| value.get_name().to_owned());
    let mut command = vec![bench.load.display().to_string(), "talk".to_owned()];
    command.extend([word.unwrap_or_default(), server.address.to_string()]);
    command.extend(["--pace".to_owned(), pace.to_string()]);
    if let Some(certificate) = &server.certificate {
        command.extend(["--trust".to_owned(), certificate.display().to_string()]);
    }
    let family = Family::start(&command, folder.path())?;
    let settings = Settings { flow: faster(pace), ..Settings::default() };
    let one = Duration::from_millis(settings.flow.window.as_millis());
    let most = u32::try_from(windows + 2).unwrap_or(u32::MAX);
    let limit = one * most + Duration::from_secs(30);
    let observed = observe(sensors, family.members(), settings, limit, |progress| {
        progress.watch.detector().coverage().flow_windows >= windows
    });
    let detector = observed.watch.detector();
    let shape = detector.verdicts().find(|one| one.rule == Rule::PoolShape);
    Ok(Row {
        name,
        is_pool,
        windows: detector.coverage().flow_windows,
        noticed: shape.map_or(0, |verdict| verdict.times),
        lines: observed.lines,
    })
}
