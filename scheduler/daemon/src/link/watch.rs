//! How tasks are watched, as agents are told it.

use prost::Message as _;
use repower_core::policy::Hardest;
use repower_core::state::State;
use repower_model::Span;
use repower_proto::v1;

/// How the tasks of a class are watched by the policy in force: a `WatchSettings`. Empty: as agents have it.
pub(super) fn settings(state: &State, class: &str) -> Vec<u8> {
    let Some((policy, _)) = &state.policy else { return Vec::new() };
    let Some(class) = policy.classes.get(class) else { return Vec::new() };
    let ms = |span: Span| Some(span.as_millis());
    let detector = &class.detector;
    let hardest = detector.hardest;
    let settings = v1::WatchSettings {
        off: !detector.watch,
        apart_ms: ms(detector.rounding_apart),
        windows: Some(detector.rounding_windows),
        samples: Some(detector.rounding_samples),
        stop_every_ms: ms(detector.stop_every),
        declares_jit: detector.generated_code,
        modes: Some(detector.rounding_modes),
        flow_window_ms: ms(detector.flow_window),
        flow_bytes_per_second: Some(detector.flow_bytes_per_second),
        flow_push_every_ms: ms(detector.flow_push_every),
        flow_idle_ms: ms(detector.flow_idle),
        flat_for_ms: ms(detector.flat_for),
        flat_least_permille: Some(detector.flat_least_permille),
        flat_spread_permille: Some(detector.flat_spread_permille),
        look_every_ms: ms(detector.look_every),
        hardest: (hardest != Hardest::Kill)
            .then(|| v1::FindingResponse::from(hardest.response()).into()),
        policy_hash: policy.hash.0.to_vec(),
    };
    settings.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use repower_core::policy::{DEFAULT, Policy};
    use repower_model::Timestamp;

    use super::*;

    fn told(text: &str, class: &str) -> v1::WatchSettings {
        let policy = Policy::parse(text).unwrap();
        let mut state = State::default();
        state.policy = Some((policy, Timestamp::from_millis(1)));
        v1::WatchSettings::decode(settings(&state, class).as_slice()).unwrap()
    }

    #[test]
    fn agents_hear_what_the_policy_says_of_the_class_and_which_policy_that_is() {
        let text = format!(
            "{DEFAULT}\n[class.software-build.detector]\nhardest = \"ask\"\nrounding-samples = 32\n\
             [class.data-processing.detector]\nwatch = false\n"
        );

        let (usual, own) = (told(&text, "sci-simulation"), told(&text, "software-build"));

        assert_eq!(own.hardest, Some(v1::FindingResponse::Ask.into()));
        assert_eq!((usual.hardest, usual.samples, own.samples), (None, Some(16), Some(32)));
        assert_eq!(usual.policy_hash, Policy::parse(&text).unwrap().hash.0);
        assert!(told(&text, "data-processing").off && !usual.off);
        assert_eq!(settings(&State::default(), "sci-simulation"), Vec::<u8>::new());
    }
}
