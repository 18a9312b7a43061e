//! Thresholds, in one place. The defaults are those for a class about which the policy says nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use repower_model::Span;

/// When samples of control registers become a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundingSettings {
    /// Samples of running threads in a window.
    pub samples: u32,
    /// Different modes of MXCSR that make a window suspicious.
    pub modes: u32,
    /// Suspicious windows that make a verdict.
    pub windows: usize,
    /// The least time between the beginnings of two windows that count both.
    pub apart: Span,
    /// How long a suspicious window counts, and how long one may take to fill.
    pub memory: Span,
}

impl Default for RoundingSettings {
    fn default() -> Self {
        Self {
            samples: 16,
            modes: 3,
            windows: 2,
            apart: Span::from_secs(10),
            memory: Span::from_secs(3600),
        }
    }
}

/// When a connection behaves as one to a pool does: long, thin, driven by the other end, never idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSettings {
    /// How long it is watched for one verdict.
    pub window: Span,
    /// The most bytes a second in each direction.
    pub bytes_per_second: u64,
    /// The other end speaks unasked at least once in this time, on average.
    pub push_every: Span,
    /// This end speaks at least once in this time, on average.
    pub speak_every: Span,
    /// Nothing happens for at most this long.
    pub idle: Span,
    /// How often connections are looked at. What this end sent and got answered between two looks is
    /// not a push.
    pub look_every: Span,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            window: Span::from_secs(30 * 60),
            bytes_per_second: 200,
            push_every: Span::from_secs(2 * 60),
            speak_every: Span::from_secs(10 * 60),
            idle: Span::from_secs(5 * 60),
            look_every: Span::from_secs(5),
        }
    }
}

/// When load is flat and for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlatSettings {
    /// The length of one bucket.
    pub bucket: Span,
    /// Buckets in a row.
    pub buckets: usize,
    /// The least use of processor time, in permille of one processor.
    pub least_permille: u64,
    /// The most that a bucket differs from the mean, in permille.
    pub spread_permille: u64,
    /// The most bytes read and written in a bucket.
    pub moved: u64,
}

impl Default for FlatSettings {
    fn default() -> Self {
        Self {
            bucket: Span::from_secs(60),
            buckets: 10,
            least_permille: 500,
            spread_permille: 50,
            moved: 64 << 10,
        }
    }
}

/// When threads that compute under somebody's trace, or do not stop, are an answer by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedSettings {
    /// Looks that found a busy thread traced.
    pub looks: u32,
    /// How long this goes on.
    pub lasts: Span,
    /// The most time between two such looks.
    pub gap: Span,
    /// How long a thread that was asked to stop may take for it.
    pub late: Span,
}

impl Default for TracedSettings {
    fn default() -> Self {
        Self {
            looks: 8,
            lasts: Span::from_secs(3 * 60),
            gap: Span::from_secs(5 * 60),
            late: Span::from_secs(60),
        }
    }
}

/// How often a thread is stopped, and what it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceSettings {
    /// The least time between two stops in one task.
    pub stop_every: Span,
    /// The most time between two stops, after many calm windows.
    pub calm_every: Span,
    /// Calm windows after which the time between two stops doubles.
    pub calm_windows: u32,
    /// The time between two looks for a running thread, when none was running.
    pub look_every: Span,
    /// The time between two looks at files, mappings, images and counters.
    pub slow_every: Span,
    /// The time between two looks for the processes of a task that has no control group.
    pub family_every: Span,
    /// A stop may take one part in this many of the time until the next.
    pub cost_divisor: u64,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self {
            stop_every: Span::from_secs(1),
            calm_every: Span::from_secs(4),
            calm_windows: 4,
            look_every: Span::from_millis(250),
            slow_every: Span::from_secs(30),
            family_every: Span::from_secs(5),
            cost_divisor: 100,
        }
    }
}

impl Settings {
    /// The same, so many times as fast: each span is as much shorter, and standing still and being looked at may
    /// take as much more of the time. Samples and windows that make a verdict are as many as before.
    #[must_use]
    pub fn hurried(mut self, times: u64) -> Self {
        let times = times.max(1);
        let quick = |span: &mut Span| *span = Span::from_millis((span.as_millis() / times).max(1));
        let (rounding, flow, flat, pace) =
            (&mut self.rounding, &mut self.flow, &mut self.flat, &mut self.pace);
        let traced = &mut self.traced;
        quick(&mut rounding.apart);
        for span in [
            &mut flow.window,
            &mut flow.push_every,
            &mut flow.speak_every,
            &mut flow.idle,
            &mut flow.look_every,
            &mut flat.bucket,
            &mut traced.lasts,
            &mut traced.gap,
            &mut traced.late,
            &mut pace.stop_every,
            &mut pace.calm_every,
            &mut pace.look_every,
            &mut pace.slow_every,
            &mut pace.family_every,
        ] {
            quick(span);
        }
        // A conversation is as long as before, in less time.
        flow.bytes_per_second = flow.bytes_per_second.saturating_mul(times);
        pace.cost_divisor = (pace.cost_divisor / times).max(1);
        self
    }
}

/// What a policy says about the detector for one class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Control registers.
    pub rounding: RoundingSettings,
    /// Connections.
    pub flow: FlowSettings,
    /// Load.
    pub flat: FlatSettings,
    /// Threads that cannot be stopped.
    pub traced: TracedSettings,
    /// Sampling.
    pub pace: PaceSettings,
    /// The class declares that it generates code at run time.
    pub declares_jit: bool,
    /// Digests (SHA-256) of images that must not run; shared, because they are the same for all tasks.
    pub known_digests: Arc<BTreeSet<[u8; 32]>>,
}
