//! Programs that must not run: what findings forbid, and what people do.

use std::collections::BTreeSet;

use repower_model::{Finding, FindingId, FindingState, Hash, Image, JobSpec};

use super::owner;
use super::submit::marks;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::policy::hash_of;
use crate::refusal::Refusal;
use crate::state::{Findings, Quarantined, State, Token};

/// The programs of a finding that are nobody else's.
fn own(finding: &Finding) -> impl Iterator<Item = Hash> {
    finding.images.iter().filter(|image| !image.shared).map(|image| image.digest)
}

/// What a job has its program run, where that is everybody's, as an interpreter: its script, its inputs that are marked as
/// programs, and the one that its command names.
pub(super) fn told_to_run(spec: &JobSpec) -> Vec<Image> {
    let named = spec.runs().map(|input| &input.path);
    let run = spec.inputs.iter().filter(|one| one.executable || Some(&one.path) == named);
    let run = run.filter_map(|one| Some((format!("input {}", one.path), one.source.digest()?)));
    let script = (!spec.script.is_empty()).then(|| ("script".to_owned(), hash_of(&spec.script)));
    let told = script.into_iter().chain(run);
    told.map(|(path, digest)| Image { digest, path, shared: false }).collect()
}

/// Lets nobody submit what a job has brought along and run, until a person has looked. What it has not brought is left
/// alone: a task that makes a copy of what everybody runs would forbid that.
pub(super) fn suspend(draft: &mut Draft<'_>, id: FindingId, reason: &str) {
    let state = draft.state();
    let Some(finding) = state.findings.get(id) else { return };
    let Some(job) = finding.job.and_then(|job| state.job(job)) else { return };
    let brought: BTreeSet<Hash> = marks::digests(&job.spec).map(|(_, digest)| digest).collect();
    let room = Findings::FORBIDDEN.saturating_sub(state.findings.forbidden().len());
    let new = own(finding).filter(|digest| !state.findings.forbidden().contains_key(digest));
    let new = new.filter(|digest| brought.contains(digest)).take(room);
    for digest in new.collect::<BTreeSet<_>>() {
        let (by, reason) = (Token::SCHEDULER.to_owned(), reason.to_owned());
        draft.push(Fact::DigestQuarantined { digest, finding: Some(id), by, reason });
    }
}

/// Whether there is room for the programs of a finding.
///
/// # Errors
///
/// [`Refusal::OutOfBounds`] if there is not.
pub(super) fn fits(draft: &Draft<'_>, finding: &Finding) -> Result<(), Refusal> {
    let forbidden = draft.state().findings.forbidden();
    let new = own(finding).filter(|digest| !forbidden.contains_key(digest)).count();
    room(forbidden.len() + new)
}

/// Forbids the programs of a finding everywhere, because a person says so.
pub(super) fn forbid(draft: &mut Draft<'_>, finding: &Finding, by: &str, reason: &str) {
    for digest in own(finding) {
        let known = draft.state().findings.forbidden().get(&digest);
        if known.is_some_and(Quarantined::holds_everywhere) {
            continue;
        }
        let (by, reason) = (by.to_owned(), reason.to_owned());
        draft.push(Fact::DigestQuarantined { digest, finding: Some(finding.id), by, reason });
    }
}

/// Lets the programs go that were forbidden for a finding: a person has dismissed it.
pub(super) fn undo(draft: &mut Draft<'_>, dismissed: FindingId, by: &str, reason: &str) {
    let forbidden = draft.state().findings.forbidden().iter();
    let held = forbidden.filter(|(_, why)| why.finding == Some(dismissed));
    let held: Vec<Hash> = held.map(|(digest, _)| *digest).collect();
    for digest in held {
        let by = by.to_owned();
        // It stays forbidden for whichever other one says the same of it.
        let fact = if let Some(other) = confirmed_about(draft.state(), digest) {
            let reason = format!("finding {other} was confirmed, which is about it, too");
            Fact::DigestQuarantined { digest, finding: Some(other), by, reason }
        } else {
            let reason = format!("finding {dismissed} was dismissed: {reason}");
            Fact::DigestReleased { digest, by, reason }
        };
        draft.push(fact);
    }
}

/// A named person forbids a program everywhere. What was forbidden before rests on this reason from now on.
pub(crate) fn add(
    draft: &mut Draft<'_>,
    digest: Hash,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    if reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    let forbidden = draft.state().findings.forbidden();
    let known = forbidden.get(&digest);
    known.map_or(Ok(()), |known| may_change(draft, known, by))?;
    if known.is_some_and(|known| known.by == by && known.reason == reason) {
        return Ok(Answer::Done);
    }
    room(forbidden.len() + usize::from(known.is_none()))?;
    let (by, reason) = (by.to_owned(), reason.to_owned());
    draft.push(Fact::DigestQuarantined { digest, finding: None, by, reason });
    Ok(Answer::Done)
}

/// A named person lets a program run again.
pub(crate) fn release(
    draft: &mut Draft<'_>,
    digest: Hash,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    let Some(known) = draft.state().findings.forbidden().get(&digest) else {
        return Err(Refusal::NotQuarantined { digest });
    };
    may_change(draft, known, by)?;
    if reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    draft.push(Fact::DigestReleased { digest, by: by.to_owned(), reason: reason.to_owned() });
    Ok(Answer::Done)
}

/// Whether somebody may change what is forbidden: not alone what is for a finding about their own work.
fn may_change(draft: &Draft<'_>, known: &Quarantined, by: &str) -> Result<(), Refusal> {
    let about = known.finding.and_then(|finding| draft.state().findings.get(finding));
    about.map_or(Ok(()), |finding| owner::four_eyes(draft, &finding.submitter, by))
}

/// A finding that a person has confirmed, and of which this is a program.
fn confirmed_about(state: &State, digest: Hash) -> Option<FindingId> {
    let mut confirmed = state.findings.iter().filter(|one| one.state == FindingState::Confirmed);
    confirmed.find(|one| own(one).any(|own| own == digest)).map(|one| one.id)
}

/// Whether so many may be forbidden.
fn room(asked: usize) -> Result<(), Refusal> {
    if asked <= Findings::FORBIDDEN {
        return Ok(());
    }
    let (what, asked) = ("the number of forbidden programs", asked.to_string());
    let allowed = format!("at most {}", Findings::FORBIDDEN);
    Err(Refusal::OutOfBounds { what, asked, allowed })
}
