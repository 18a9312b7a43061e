//! What a job says itself: its name, command line, script and environment, and addresses.

use repower_model::{Egress, JobSpec, Mark, Sign, Source};
use repower_patterns::Patterns;

use crate::name;

/// Marks, before the heaviest are kept.
const MANY: usize = 4 * Mark::MOST;

/// What the texts of a job show; `words` are those for which the policy wants a person to look, in
/// small letters.
///
/// One word of a pool protocol is a reason to ask: the command line of an honest job has none, but a
/// document that it quotes may.
pub fn texts(patterns: &Patterns, spec: &JobSpec, words: &[String]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let all = parts(spec);
    // Together: a client is told some words in its command line and others by its environment.
    let joined = all.iter().map(|(_, bytes)| bytes.as_slice()).collect::<Vec<_>>().join(&b'\n');
    let hits = patterns.find(&joined);
    let wordiest = all.iter().max_by_key(|(_, bytes)| patterns.find(bytes).words());
    let place = wordiest.map_or("command", |(place, _)| place.as_str());
    let mut mark = |sign, place: &str, detail: String| {
        if marks.len() >= MANY {
            marks = Mark::heaviest(std::mem::take(&mut marks));
        }
        marks.push(Mark { sign, place: name::tame(place), detail });
    };
    if hits.is_proof_of_work() {
        let detail = format!("has {} constants of a proof-of-work function", hits.constants());
        mark(Sign::ProofOfWork, "script", detail);
    }
    match hits.words() {
        0 => {}
        1 => mark(Sign::Word, place, "has a word of pool protocols".to_owned()),
        count => mark(Sign::PoolClient, place, format!("has {count} words of pool protocols")),
    }
    for (place, bytes) in &all {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        for word in words.iter().filter(|word| text.contains(word.as_str())) {
            mark(Sign::Word, place, format!("has the word `{word}`, at which the policy looks"));
        }
    }
    unseen(spec, &mut mark);
    Mark::heaviest(marks)
}

/// What runs and is not brought along cannot be looked at.
fn unseen(spec: &JobSpec, mark: &mut impl FnMut(Sign, &str, String)) {
    for input in &spec.inputs {
        if let Source::Url { url, .. } = &input.source {
            let place = format!("input {}", input.path);
            let detail = format!("comes from {} and is not looked at", name::tame(url));
            mark(Sign::Unread, &place, detail);
        }
    }
    if !spec.image.is_empty() {
        mark(Sign::Unread, "image", "is not brought along and not looked at".to_owned());
    }
}

/// The texts, each with its place.
pub(crate) fn parts(spec: &JobSpec) -> Vec<(String, Vec<u8>)> {
    let place = |name: &str| name.to_owned();
    let mut parts = vec![
        (place("name"), spec.name.clone().into_bytes()),
        (place("command"), spec.command.join("\n").into_bytes()),
        (place("script"), spec.script.clone()),
        (place("image"), spec.image.clone().into_bytes()),
    ];
    if let Some(Egress::Only(places)) = &spec.egress {
        parts.push((place("egress"), places.join("\n").into_bytes()));
    }
    for one in &spec.environment {
        let text = format!("{}={}", one.name, one.value).into_bytes();
        parts.push((format!("variable {}", one.name), text));
    }
    for input in &spec.inputs {
        if let Source::Url { url, .. } = &input.source {
            parts.push((format!("input {}", input.path), url.clone().into_bytes()));
        }
    }
    parts.retain(|(_, bytes)| !bytes.is_empty());
    parts
}
