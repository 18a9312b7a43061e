//! What was seen of real programs, judged again.

use repower_agent_core::detect::{Detector, Response, Rule, Settings, recording};

/// Each recording with what has to come of it.
const RECORDINGS: &[(&str, &str, Option<Rule>)] = &[
    (
        "RandomX, generated code",
        include_str!("recordings/randomx-generated.txt"),
        Some(Rule::RoundingModes),
    ),
    (
        "RandomX, interpreted",
        include_str!("recordings/randomx-interpreted.txt"),
        Some(Rule::RoundingModes),
    ),
    (
        "four modes by fesetround",
        include_str!("recordings/four-modes.txt"),
        Some(Rule::RoundingVaried),
    ),
    ("product of matrices", include_str!("recordings/matrix-product.txt"), None),
];

#[test]
fn recordings_of_real_programs_are_judged_as_they_were() {
    for (name, text, expected) in RECORDINGS {
        let samples = recording::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(samples.len() >= 32, "{name} has {} samples", samples.len());
        let mut detector = Detector::new(Settings::default());

        for (now, sample) in &samples {
            detector.observe(sample, *now);
        }

        let rules: Vec<Rule> = detector.verdicts().map(|verdict| verdict.rule).collect();
        assert_eq!(rules, expected.iter().copied().collect::<Vec<_>>(), "{name}");
        let is_calm = detector.response() == Response::None;
        assert_eq!(is_calm, expected.is_none(), "{name}");
    }
}
