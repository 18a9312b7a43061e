//! What is found in a job and contradicts what it declares is a finding: the job is not given another class.

use repower_model::{Image, JobId, Mark, Sign, Verdict};

use super::marks;
use crate::decide::finding::{Subject, admission};
use crate::draft::Draft;
use crate::input::Submit;

/// A rule of the same name as the detector's, its tier, and of what it is a sign; `None`: it is a
/// reason to ask, and contradicts nothing.
fn rule(sign: Sign) -> Option<(&'static str, u8)> {
    match sign {
        Sign::ProofOfWork => Some(("content.known-constants", 1)),
        Sign::KnownDigest => Some(("content.known-digest", 1)),
        Sign::PoolClient => Some(("content.pool-words", 2)),
        Sign::Rule => Some(("content.policy-rule", 2)),
        Sign::Word | Sign::Unread => None,
    }
}

/// Opens a finding about what contradicts the declared class, if anything does. `job` is the one that
/// waits for a person because of it; `None`: the submission is refused.
pub(super) fn told(draft: &mut Draft<'_>, submit: &Submit, marks: &[Mark], job: Option<JobId>) {
    let at = draft.now();
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut images: Vec<Image> = Vec::new();
    for mark in marks {
        let Some((rule, tier)) = rule(mark.sign) else { continue };
        match verdicts.iter_mut().find(|one| one.rule == rule) {
            Some(known) => known.times += 1,
            None => verdicts.push(Verdict {
                rule: rule.to_owned(),
                version: 1,
                tier,
                mechanism: "content".to_owned(),
                first_seen: at,
                last_seen: at,
                times: 1,
                detail: format!("{} {}", mark.place, mark.detail),
            }),
        }
        let brought = marks::digests(&submit.spec).find(|(place, _)| {
            let rest = mark.place.strip_prefix(place.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
        });
        if let Some((place, digest)) = brought {
            let image = Image { digest, path: place, shared: false };
            if !images.contains(&image) {
                images.push(image);
            }
        }
    }
    if verdicts.is_empty() {
        return;
    }
    let subject = Subject {
        job,
        class: submit.spec.class.clone(),
        project: submit.spec.project.clone(),
        submitter: submit.submitter.clone(),
        verdicts,
        images,
        evidence: None,
    };
    admission(draft, &subject);
}
