//! What was found in what a job brings along, and what becomes of it.

use repower_model::{Hash, JobSpec, Mark, Sign};

use crate::input::Submit;
use crate::policy::{IMAGE, Policy, Verdict, hash_of};
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
    // Whoever has listed an image has looked at it.
    let is_listed = policy.admission.lists(&submit.spec.image);
    let counts = |mark: &&Mark| !(is_listed && mark.sign == Sign::Unread && mark.place == IMAGE);
    let found = submit.marks.iter().filter(counts).cloned();
    let unlisted = unlisted(submit, policy);
    Ok(Mark::heaviest(known.into_iter().chain(unlisted).chain(found).collect()))
}

/// An image that is not on the policy's list, if that has one. Whoever looked has marked it as well, unless nobody did.
fn unlisted(submit: &Submit, policy: &Policy) -> Option<Mark> {
    let (spec, admission) = (&submit.spec, &policy.admission);
    let is_listed = admission.images.is_none() || admission.lists(&spec.image);
    let is_marked = |mark: &Mark| mark.sign == Sign::Unread && mark.place == IMAGE;
    if spec.image.is_empty() || is_listed || submit.marks.iter().any(is_marked) {
        return None;
    }
    let detail = "is not one of those that the policy lists".to_owned();
    Some(Mark { sign: Sign::Unread, place: IMAGE.to_owned(), detail })
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
