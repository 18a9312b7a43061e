//! What a job says of its stops: how much time it has, and how it saves its work.

use repower_model::OnDisconnect;
use repower_proto::v1;

use super::duration::Duration;
use super::signal::Signal;

/// How a task is stopped, and what becomes of what it has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Stops {
    /// Time between SIGTERM and SIGKILL [default: 10s]
    #[arg(long, value_name = "SPAN", help_heading = "How it is stopped")]
    pub grace: Option<Duration>,
    /// Signal before SIGTERM that tells it to save its work
    #[arg(long, value_name = "SIGNAL", help_heading = "How it is stopped")]
    pub checkpoint_signal: Option<Signal>,
    /// Time between that signal and SIGTERM [default: the grace]
    #[arg(long, value_name = "SPAN", help_heading = "How it is stopped")]
    pub checkpoint_grace: Option<Duration>,
    /// Exit code that means: saved, start me again
    #[arg(long, value_name = "CODE", help_heading = "How it is stopped",
          allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(1..=255))]
    pub checkpoint_exit: Option<i32>,
    /// Give each task a folder, `REPOWER_CHECKPOINT_DIR`, that its attempts hand on, wherever they run
    #[arg(long, value_name = "WHETHER", help_heading = "How it is stopped", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub checkpoint: Option<bool>,
    /// stop or keep: what its node does when cut off [default: stop]
    #[arg(long, value_name = "WHAT", help_heading = "How it is stopped", value_parser = on_disconnect)]
    pub on_disconnect: Option<OnDisconnect>,
}

/// A word that says not what becomes of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that a node does when it is cut off: stop and keep are")]
pub struct OnDisconnectError(String);

fn on_disconnect(text: &str) -> Result<OnDisconnect, OnDisconnectError> {
    let named = OnDisconnect::ALL.into_iter().find(|what| what.as_str() == text);
    named.ok_or_else(|| OnDisconnectError(text.to_owned()))
}

impl Stops {
    /// Puts this over what was said lower down.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            grace: self.grace.or(lower.grace),
            checkpoint_signal: self.checkpoint_signal.or(lower.checkpoint_signal),
            checkpoint_grace: self.checkpoint_grace.or(lower.checkpoint_grace),
            checkpoint_exit: self.checkpoint_exit.or(lower.checkpoint_exit),
            checkpoint: self.checkpoint.or(lower.checkpoint),
            on_disconnect: self.on_disconnect.or(lower.on_disconnect),
        }
    }

    /// A specification that says this and nothing else.
    pub(super) fn into_wire(self) -> v1::JobSpec {
        let on_disconnect = self.on_disconnect.map_or(v1::OnDisconnect::Unspecified, Into::into);
        v1::JobSpec {
            grace_ms: self.grace.map_or(0, Duration::as_millis),
            checkpoint_signal: self.checkpoint_signal.map_or(0, Signal::number),
            checkpoint_grace_ms: self.checkpoint_grace.map_or(0, Duration::as_millis),
            checkpoint_exit: self.checkpoint_exit,
            checkpoint: self.checkpoint.unwrap_or(false),
            on_disconnect: on_disconnect.into(),
            ..v1::JobSpec::default()
        }
    }
}
