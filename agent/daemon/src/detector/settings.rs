//! The thresholds for a task, as its class has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message as _;
use repower_agent_core::detect::Settings;
use repower_model::Span;
use repower_proto::v1::WatchSettings;

use crate::environment::hex;

/// How one task is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) settings: Settings,
    /// The digest of the policy that says so; empty: none does.
    pub(super) policy: String,
}

/// What `watch` asks for, so many times as fast; `None`: the task is not looked at.
///
/// What is out of bounds is taken as the nearest that is not: policies are checked where they are read.
pub(super) fn wanted(
    watch: &[u8],
    pace: u64,
    forbidden: &Arc<BTreeSet<[u8; 32]>>,
) -> Option<Wanted> {
    let class = WatchSettings::decode(watch).unwrap_or_else(|error| {
        tracing::error!(%error, "how a class is watched cannot be read: as any other");
        WatchSettings::default()
    });
    if class.off {
        return None;
    }
    let mut settings = Settings {
        known_digests: Arc::clone(forbidden),
        declares_jit: class.declares_jit,
        ..Settings::default()
    };
    let span = |given: Option<u64>, usual: Span| given.map_or(usual, Span::from_millis);
    let rounding = &mut settings.rounding;
    rounding.apart = span(class.apart_ms, rounding.apart);
    rounding.samples = class.samples.map_or(rounding.samples, |samples| samples.clamp(4, 256));
    rounding.modes = class.modes.map_or(rounding.modes, |modes| modes.clamp(3, 4));
    if let Some(windows) = class.windows {
        rounding.windows = usize::try_from(windows.clamp(1, 16)).unwrap_or(16);
    }
    let flow = &mut settings.flow;
    flow.window = span(class.flow_window_ms, flow.window);
    flow.push_every = span(class.flow_push_every_ms, flow.push_every);
    flow.idle = span(class.flow_idle_ms, flow.idle);
    flow.bytes_per_second = class.flow_bytes_per_second.map_or(flow.bytes_per_second, u64::from);
    let flat = &mut settings.flat;
    if let Some(ms) = class.flat_for_ms {
        let buckets = ms.div_ceil(flat.bucket.as_millis().max(1)).max(1);
        flat.buckets = usize::try_from(buckets).unwrap_or(usize::MAX);
    }
    flat.least_permille = class.flat_least_permille.map_or(flat.least_permille, u64::from);
    flat.spread_permille = class.flat_spread_permille.map_or(flat.spread_permille, u64::from);
    let stops = &mut settings.pace;
    stops.stop_every = span(class.stop_every_ms, stops.stop_every).max(Span::from_secs(1));
    stops.calm_every = stops.calm_every.max(stops.stop_every);
    stops.slow_every = span(class.look_every_ms, stops.slow_every);
    Some(Wanted { settings: settings.hurried(pace), policy: hex(&class.policy_hash) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(class: &WatchSettings, pace: u64) -> Option<Wanted> {
        wanted(&class.encode_to_vec(), pace, &Arc::default())
    }

    #[test]
    fn a_class_that_says_nothing_is_watched_as_any_other_and_one_that_is_off_is_not() {
        let forbidden = Arc::new(BTreeSet::from([[7; 32]]));

        let usual = wanted(&[], 1, &forbidden).unwrap();

        let settings = Settings { known_digests: forbidden, ..Settings::default() };
        assert_eq!(usual, Wanted { settings, policy: String::new() });
        assert_eq!(read(&WatchSettings { off: true, ..WatchSettings::default() }, 1), None);
    }

    #[test]
    fn what_the_policy_says_is_kept_to_and_the_agent_s_own_pace_makes_all_of_it_faster() {
        let class = WatchSettings {
            apart_ms: Some(20_000),
            samples: Some(32),
            stop_every_ms: Some(1),
            flat_for_ms: Some(180_000),
            flow_bytes_per_second: Some(50),
            look_every_ms: Some(60_000),
            policy_hash: vec![0xab; 2],
            ..WatchSettings::default()
        };

        let (one, ten) = (read(&class, 1).unwrap(), read(&class, 10).unwrap());

        assert_eq!(one.policy, "abab");
        assert_eq!(
            one.settings.pace.stop_every,
            Span::from_secs(1),
            "never more than one a second"
        );
        assert_eq!((one.settings.rounding.samples, one.settings.flat.buckets), (32, 3));
        assert_eq!(one.settings.pace.slow_every, Span::from_secs(60));
        assert_eq!(ten.settings.rounding.apart, Span::from_secs(2));
        assert_eq!(ten.settings.pace.stop_every, Span::from_millis(100));
        assert_eq!(ten.settings.flow.bytes_per_second, 500);
        assert_eq!((ten.settings.rounding.samples, ten.settings.flat.buckets), (32, 3));
        assert_eq!(ten.settings.pace.cost_divisor, 10);
    }
}
