//! What was found in what a job brings along, and what becomes of it.

use repower_model::{Hash, JobSpec, Mark, Sign};

use crate::input::Submit;
use crate::policy::{Policy, Verdict, hash_of};
use crate::refusal::Refusal;

/// What whoever looked has found, and what the policy's list of digests says; the heaviest first.
///
/// # Errors
///
/// [`Refusal::PolicyChanged`] if it was looked at by the words of another policy.
pub(super) fn all(submit: &Submit, policy: &Policy) -> Result<Vec<Mark>, Refusal> {
    if submit.looked_by.is_some_and(|hash| hash != policy.hash) {
        return Err(Refusal::PolicyChanged { version: policy.version.clone() });
    }
    let known = known(&submit.spec, policy);
    Ok(Mark::heaviest(known.into_iter().chain(submit.marks.iter().cloned()).collect()))
}

/// Whether a person has to look at a job with these marks.
///
/// # Errors
///
/// [`Refusal::Content`] with the mark that weighs most, if it is not let in at all.
pub(super) fn judge(marks: &[Mark], policy: &Policy) -> Result<bool, Refusal> {
    let admission = &policy.admission;
    match marks.iter().find(|mark| admission.verdict(mark) == Verdict::Refuse) {
        Some(mark) => {
            let version = policy.version.clone();
            Err(Refusal::Content { mark: Box::new(mark.clone()), version })
        }
        None => Ok(admission.asks(marks)),
    }
}

/// What of a job is on the policy's list of digests: its script, its inputs, its image.
fn known(spec: &JobSpec, policy: &Policy) -> Vec<Mark> {
    let list = &policy.admission.known_digests;
    if list.is_empty() {
        return Vec::new();
    }
    let found =
        digests(spec).filter(|(_, digest)| list.contains(digest)).map(|(place, digest)| Mark {
            sign: Sign::KnownDigest,
            place,
            detail: format!("has the digest {digest}, which is on the list of what must not run"),
        });
    found.collect()
}

/// What of a job has a digest, with its place: its script, its image, its inputs.
pub(in crate::decide) fn digests(spec: &JobSpec) -> impl Iterator<Item = (String, Hash)> {
    let script = (!spec.script.is_empty()).then(|| ("script".to_owned(), hash_of(&spec.script)));
    // By its digest, or by its id.
    let image = spec.image.rsplit_once("sha256:").and_then(|(_, hex)| Hash::from_hex(hex));
    let image = image.map(|digest| ("image".to_owned(), digest));
    let inputs = spec.inputs.iter();
    let inputs =
        inputs.filter_map(|input| Some((format!("input {}", input.path), input.source.digest()?)));
    script.into_iter().chain(image).chain(inputs)
}
