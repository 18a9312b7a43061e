//! How running tasks are looked at, as the policy has it.
//!
//! The defaults are those of the agent's detector, so a policy that says nothing changes nothing.

use repower_model::{Response, Span};
use serde::{Deserialize, Serialize};

/// The hardest thing that is done about a task without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hardest {
    /// Nothing: what is seen is written down.
    None,
    /// Ask for evidence of progress.
    Ask,
    /// Hold its outputs back, and cut its connections.
    Hold,
    /// Freeze it until a person has looked.
    Freeze,
    /// End it: only for two witnesses that have nothing in common.
    #[default]
    Kill,
}

impl Hardest {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ask => "ask",
            Self::Hold => "hold",
            Self::Freeze => "freeze",
            Self::Kill => "kill",
        }
    }

    /// As what is done about a task.
    pub fn response(self) -> Response {
        match self {
            Self::None => Response::None,
            Self::Ask => Response::Ask,
            Self::Hold => Response::Hold,
            Self::Freeze => Response::Freeze,
            Self::Kill => Response::Kill,
        }
    }
}

/// How running tasks of a class are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detector {
    /// Whether they are looked at.
    pub watch: bool,
    /// The class generates code while it runs, so that generated code is no sign.
    pub generated_code: bool,
    /// The hardest thing that is done without a person.
    pub hardest: Hardest,
    /// Samples of running threads in a window.
    pub rounding_samples: u32,
    /// Different rounding modes that make a window suspicious.
    pub rounding_modes: u32,
    /// Suspicious windows that make a verdict.
    pub rounding_windows: u32,
    /// The least time between the beginnings of two windows that count both.
    pub rounding_apart: Span,
    /// How long a connection is watched for one verdict.
    pub flow_window: Span,
    /// The most bytes a second in each direction of a connection like one to a pool.
    pub flow_bytes_per_second: u32,
    /// The other end of such a connection speaks unasked at least once in this time.
    pub flow_push_every: Span,
    /// Such a connection is idle for at most this long.
    pub flow_idle: Span,
    /// How long load must be steady and for nothing.
    pub flat_for: Span,
    /// The least use of processor time of such load, in permille of one processor.
    pub flat_least_permille: u32,
    /// The most that a minute of it differs from the mean, in permille.
    pub flat_spread_permille: u32,
    /// The least time between two stops of a thread in one task.
    pub stop_every: Span,
    /// The time between two looks at files, mappings and images.
    pub look_every: Span,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            watch: true,
            generated_code: false,
            hardest: Hardest::default(),
            rounding_samples: 16,
            rounding_modes: 3,
            rounding_windows: 2,
            rounding_apart: Span::from_secs(10),
            flow_window: Span::from_secs(30 * 60),
            flow_bytes_per_second: 200,
            flow_push_every: Span::from_secs(2 * 60),
            flow_idle: Span::from_secs(5 * 60),
            flat_for: Span::from_secs(10 * 60),
            flat_least_permille: 500,
            flat_spread_permille: 50,
            stop_every: Span::from_secs(1),
            look_every: Span::from_secs(30),
        }
    }
}

/// The table `[detector]`, or that of a class: what it does not say is as before.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct DetectorTable {
    watch: Option<bool>,
    generated_code: Option<bool>,
    hardest: Option<Hardest>,
    rounding_samples: Option<u32>,
    rounding_modes: Option<u32>,
    rounding_windows: Option<u32>,
    rounding_apart_seconds: Option<u32>,
    flow_window_seconds: Option<u32>,
    flow_bytes_per_second: Option<u32>,
    flow_push_every_seconds: Option<u32>,
    flow_idle_seconds: Option<u32>,
    flat_for_minutes: Option<u32>,
    flat_least_permille: Option<u32>,
    flat_spread_permille: Option<u32>,
    stop_every_ms: Option<u32>,
    look_every_seconds: Option<u32>,
}

pub(super) const KEYS: [&str; 16] = [
    "watch",
    "generated-code",
    "hardest",
    "rounding-samples",
    "rounding-modes",
    "rounding-windows",
    "rounding-apart-seconds",
    "flow-window-seconds",
    "flow-bytes-per-second",
    "flow-push-every-seconds",
    "flow-idle-seconds",
    "flat-for-minutes",
    "flat-least-permille",
    "flat-spread-permille",
    "stop-every-ms",
    "look-every-seconds",
];

impl DetectorTable {
    /// What the table says over `before`, or what is wrong with it.
    pub(super) fn read(self, before: &Detector) -> Result<Detector, &'static str> {
        let seconds = |given: Option<u32>, before: Span| {
            given.map_or(before, |seconds| Span::from_secs(u64::from(seconds)))
        };
        let flat_for = self
            .flat_for_minutes
            .map_or(before.flat_for, |minutes| Span::from_secs(60 * u64::from(minutes)));
        let stop_every = self
            .stop_every_ms
            .map_or(before.stop_every, |every| Span::from_millis(u64::from(every)));
        let read = Detector {
            watch: self.watch.unwrap_or(before.watch),
            generated_code: self.generated_code.unwrap_or(before.generated_code),
            hardest: self.hardest.unwrap_or(before.hardest),
            rounding_samples: self.rounding_samples.unwrap_or(before.rounding_samples),
            rounding_modes: self.rounding_modes.unwrap_or(before.rounding_modes),
            rounding_windows: self.rounding_windows.unwrap_or(before.rounding_windows),
            rounding_apart: seconds(self.rounding_apart_seconds, before.rounding_apart),
            flow_window: seconds(self.flow_window_seconds, before.flow_window),
            flow_bytes_per_second: self
                .flow_bytes_per_second
                .unwrap_or(before.flow_bytes_per_second),
            flow_push_every: seconds(self.flow_push_every_seconds, before.flow_push_every),
            flow_idle: seconds(self.flow_idle_seconds, before.flow_idle),
            flat_for,
            flat_least_permille: self.flat_least_permille.unwrap_or(before.flat_least_permille),
            flat_spread_permille: self.flat_spread_permille.unwrap_or(before.flat_spread_permille),
            stop_every,
            look_every: seconds(self.look_every_seconds, before.look_every),
        };
        read.check()?;
        Ok(read)
    }
}

impl Detector {
    fn check(&self) -> Result<(), &'static str> {
        let day = Span::from_secs(86_400);
        let bounded = |span: Span, least: Span| span >= least && span <= day;
        let second = Span::from_secs(1);
        if !(4..=256).contains(&self.rounding_samples) {
            return Err("`rounding-samples` is between 4 and 256");
        }
        if !(3..=4).contains(&self.rounding_modes) {
            return Err("`rounding-modes` is 3 or 4: honest interval arithmetic has two");
        }
        if !(1..=16).contains(&self.rounding_windows) {
            return Err("`rounding-windows` is between 1 and 16");
        }
        if !bounded(self.rounding_apart, second) {
            return Err("`rounding-apart-seconds` is between 1 and 86400");
        }
        if !bounded(self.flow_window, Span::from_secs(60)) {
            return Err("`flow-window-seconds` is between 60 and 86400");
        }
        if self.flow_bytes_per_second == 0 {
            return Err("`flow-bytes-per-second` is at least 1");
        }
        if !bounded(self.flow_push_every, second) || !bounded(self.flow_idle, second) {
            return Err(
                "`flow-push-every-seconds` and `flow-idle-seconds` are between 1 and 86400",
            );
        }
        if !bounded(self.flat_for, Span::from_secs(60)) {
            return Err("`flat-for-minutes` is between 1 and 1440");
        }
        if self.flat_least_permille > 1000 || self.flat_spread_permille > 1000 {
            return Err("`flat-least-permille` and `flat-spread-permille` are at most 1000");
        }
        if !bounded(self.stop_every, second) {
            return Err(
                "`stop-every-ms` is at least 1000: more than one stop a second costs too much",
            );
        }
        if !bounded(self.look_every, second) {
            return Err("`look-every-seconds` is between 1 and 86400");
        }
        Ok(())
    }
}
