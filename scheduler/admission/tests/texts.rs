//! What the texts of a job show.

use std::sync::LazyLock;

use repower_admission::texts;
use repower_model::{Egress, InputFile, JobSpec, Mark, Sign, Source, Variable};
use repower_patterns::Patterns;

/// Made once: that takes longer than any test here.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);

fn word(second: &str) -> String {
    format!("{}.{second}", std::hint::black_box("mining"))
}

fn job(command: &[&str]) -> JobSpec {
    let command = command.iter().map(ToString::to_string).collect();
    JobSpec { name: "a-job".into(), command, ..JobSpec::default() }
}

fn look(spec: &JobSpec) -> Vec<Mark> {
    texts(&PATTERNS, spec, &["挖矿".to_owned(), "xmrig".to_owned()])
}

#[test]
fn two_words_of_pool_protocols_are_a_client_and_one_is_a_question() {
    let one = job(&["client", &word("subscribe")]);
    let two = job(&["client", &word("subscribe"), &word("submit")]);

    assert_eq!(look(&one).first().map(|mark| mark.sign), Some(Sign::Word));
    assert_eq!(look(&two).first().map(|mark| mark.sign), Some(Sign::PoolClient));
}

#[test]
fn words_that_are_spread_over_command_script_and_environment_count_together() {
    let variable = Variable { name: "FIRST".into(), value: word("subscribe") };
    let spec = JobSpec {
        environment: vec![variable],
        script: format!("#!/bin/sh\necho $FIRST {}\n", word("submit")).into_bytes(),
        ..job(&[])
    };

    let marks = look(&spec);

    assert_eq!(marks.first().map(|mark| mark.sign), Some(Sign::PoolClient), "{marks:?}");
}

#[test]
fn words_of_the_policy_are_found_without_regard_to_case_and_in_any_script() {
    let marks = look(&job(&["./XMRig", "--config=x"]));
    assert_eq!((marks[0].sign, marks[0].place.as_str()), (Sign::Word, "command"));

    let marks = look(&JobSpec { name: "夜间挖矿任务".into(), ..job(&["true"]) });
    assert_eq!((marks[0].sign, marks[0].place.as_str()), (Sign::Word, "name"));

    let image = JobSpec { image: "example.org/x/XMRig:6".into(), ..job(&["true"]) };
    assert_eq!((look(&image)[0].sign, look(&image)[0].place.as_str()), (Sign::Word, "image"));

    let egress = Some(Egress::Only(vec!["xmrig.example.org:443".into()]));
    let marks = look(&JobSpec { egress, ..job(&["true"]) });
    assert_eq!((marks[0].sign, marks[0].place.as_str()), (Sign::Word, "egress"));

    assert_eq!(look(&job(&["python3", "数据挖掘.py"])), []);
}

#[test]
fn what_comes_from_elsewhere_is_told_to_be_unseen() {
    let url = "https://example.org/model".to_owned();
    let input = InputFile {
        source: Source::Url { url, digest: None },
        path: "model".into(),
        unpack: false,
        executable: false,
    };
    let spec = JobSpec { inputs: vec![input], image: "localhost/x".into(), ..job(&["true"]) };

    let marks = look(&spec);

    let signs: Vec<_> = marks.iter().map(|mark| (mark.sign, mark.place.as_str())).collect();
    assert_eq!(signs, [(Sign::Unread, "input model"), (Sign::Unread, "image")]);
    assert!(marks.iter().all(|mark| mark.detail.contains("not looked at")));
}

#[test]
fn marks_of_texts_are_few() {
    let environment = (0..100).map(|at| Variable { name: format!("V{at}"), value: "xmrig".into() });
    let spec = JobSpec { environment: environment.collect(), ..job(&["true"]) };

    assert_eq!(look(&spec).len(), Mark::MOST);
    assert_eq!(look(&spec).first().unwrap().sign, Sign::Word);
}
