//! Which images jobs may name.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one answer out of many")]

mod world;

use repower_core::effect::Answer;
use repower_core::input::{Input, Submit};
use repower_model::{Hash, JobSpec, Key, Mark, Sign};
use world::{World, job};

const POLICY: &str = "policy-version = \"1\"\n[class.sci-simulation]\ntier = \"permitted\"\n";

fn named(digit: char) -> String {
    format!("docker.io/library/x@sha256:{}", digit.to_string().repeat(64))
}

/// What becomes of a job with this image, as whoever looked has marked it: the signs that are kept, or the code.
fn submit(policy: &str, image: &str, is_marked: bool) -> Result<Vec<Sign>, &'static str> {
    let mut world = World::under(policy, &[1]);
    let unread = Mark { sign: Sign::Unread, place: "image".into(), detail: "is not here".into() };
    let submit = Submit {
        key: Key([7; 16]),
        submitter: "ada".into(),
        spec: JobSpec { image: image.into(), ..job() },
        spec_hash: Hash([0; 32]),
        past: Vec::new(),
        marks: if is_marked { vec![unread] } else { Vec::new() },
        looked_by: None,
    };
    match world.turn(&Input::Submit(Box::new(submit))).map(|turn| turn.answer) {
        Ok(Answer::Refused(refusal)) => Err(refusal.code()),
        Ok(_) => {
            let jobs = world.engine.state().jobs.values();
            Ok(jobs.flat_map(|job| &job.marks).map(|mark| mark.sign).collect())
        }
        Err(refusal) => Err(refusal.code()),
    }
}

#[test]
fn an_image_that_the_policy_does_not_list_is_refused_and_a_listed_one_counts_as_looked_at() {
    let with = |list: &str| format!("{POLICY}[admission]\nimages = [{list}]\n");
    let one = with(&format!("\"{}\"", named('a')));

    assert_eq!(submit(POLICY, &named('b'), true), Ok(vec![Sign::Unread]), "any, and it is told");
    for is_marked in [true, false] {
        assert_eq!(submit(&one, &named('a'), is_marked), Ok(vec![]));
        assert_eq!(submit(&one, &named('b'), is_marked), Err("content.unread"));
        assert_eq!(submit(&with(""), &named('a'), is_marked), Err("content.unread"), "none may");
    }
    assert_eq!(submit(&one, &format!("sha256:{}", "a".repeat(64)), true), Ok(vec![]), "by its id");
    assert_eq!(submit(&with(""), "", false), Ok(vec![]), "a job without an image");
}
