//! Looks at a task until something is reached.

use std::time::Duration;

use repower_agent::sense::{Admitted, Look, Members, Sensors, Watch};
use repower_agent_core::detect::{
    FlowSettings, PaceSettings, RoundingSettings, Settings, recording,
};
use repower_model::Span;

use crate::clock;

/// Settings that look a hundred times as often, and take two suspicious windows for a verdict however
/// near to each other they are: the same number of samples in less time, and stricter.
pub fn dense() -> Settings {
    Settings {
        pace: PaceSettings {
            stop_every: Span::from_millis(5),
            calm_every: Span::from_millis(5),
            look_every: Span::from_millis(2),
            slow_every: Span::from_millis(500),
            family_every: Span::from_millis(500),
            cost_divisor: 1,
            ..PaceSettings::default()
        },
        rounding: RoundingSettings { apart: Span::from_millis(0), ..RoundingSettings::default() },
        ..Settings::default()
    }
}

/// The settings of production, with conversations watched `pace` times faster.
pub fn faster(pace: u32) -> FlowSettings {
    let plain = FlowSettings::default();
    let scaled = |span: Span| Span::from_millis(span.as_millis() / u64::from(pace.max(1)));
    FlowSettings {
        window: scaled(plain.window),
        bytes_per_second: plain.bytes_per_second * u64::from(pace.max(1)),
        push_every: scaled(plain.push_every),
        speak_every: scaled(plain.speak_every),
        idle: scaled(plain.idle),
        look_every: scaled(plain.look_every),
    }
}

/// What a look has left to the caller.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The watch after the look.
    pub watch: &'a Watch,
    /// Since the beginning.
    pub elapsed: Duration,
    /// Samples of registers and connections until now.
    pub samples: usize,
}

/// Looks at `members` until `enough` says so or `limit` has passed; the watch, the lines of a recording
/// of all samples of registers and connections, and the looks at files and images.
///
/// What looks at the pace of production also rests after each look as the agent does.
pub fn observe(
    sensors: &mut Sensors,
    members: Members,
    settings: Settings,
    limit: Duration,
    mut enough: impl FnMut(Progress<'_>) -> bool,
) -> Observed {
    let zero = clock::instant();
    let start = clock::now(zero).steady;
    let rests = settings.pace == PaceSettings::default();
    let mut watch = Watch::new(members, Admitted::default(), settings, start);
    let mut lines = Vec::new();
    let mut slow_looks = 0;
    loop {
        let now = clock::now(zero);
        let look = Look::begin();
        let looked = watch.look(sensors, 0, None, now);
        let rested = clock::now(zero).steady + look.rest(1);
        for (when, sample) in &looked.samples {
            use repower_agent_core::detect::Sample;
            slow_looks += u64::from(matches!(sample, Sample::Counters(_)));
            let is_kept = matches!(sample, Sample::Registers(_) | Sample::Flow(_));
            if is_kept && lines.len() < 4096 {
                lines.push(recording::line(sample, *when));
            }
        }
        let elapsed = zero.elapsed();
        let samples = lines.len();
        if enough(Progress { watch: &watch, elapsed, samples }) || elapsed >= limit {
            return Observed { watch, lines, slow_looks, elapsed };
        }
        let due = if rests { watch.due().max(rested) } else { watch.due() };
        let wait = due.since(clock::now(zero).steady).as_millis();
        clock::pass(Duration::from_millis(if rests { wait } else { wait.min(1000) }));
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Observed {
    /// The watch, with its verdicts.
    pub watch: Watch,
    /// Samples as recorded.
    pub lines: Vec<String>,
    /// Looks at files, mappings and images.
    pub slow_looks: u64,
    /// How long it took.
    pub elapsed: Duration,
}
