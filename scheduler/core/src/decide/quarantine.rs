//! Programs that must not run: what findings forbid, and what people do.

use std::collections::BTreeSet;

use repower_model::{Finding, FindingId, FindingState, Hash, Image, JobSpec, Response};

use super::owner;
use super::submit::marks;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::policy::hash_of;
use crate::refusal::Refusal;
use crate::state::{Findings, Quarantined, State, Token};

/// The programs of a finding that are nobody else's.
fn own(state: &State, finding: &Finding) -> BTreeSet<Hash> {
    let own = finding.images.iter().filter(|image| !image.shared);
    let own: BTreeSet<Hash> = own.map(|image| image.digest).collect();
    let job = finding.job.and_then(|job| state.job(job)).filter(|_| own.is_empty());
    // A finding from before what is told to run was one of its programs.
    job.map_or(own, |job| told_to_run(&job.spec).into_iter().map(|image| image.digest).collect())
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
    let forbidden = state.findings.forbidden();
    let room = Findings::FORBIDDEN.saturating_sub(forbidden.len());
    let new = own(state, finding).into_iter().filter(|digest| brought.contains(digest));
    let new = new.filter(|digest| !forbidden.contains_key(digest)).take(room);
    for digest in new.collect::<Vec<_>>() {
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
    let own = own(draft.state(), finding);
    let new = own.iter().filter(|digest| !forbidden.contains_key(digest)).count();
    room(forbidden.len() + new)
}

/// Forbids the programs of a finding everywhere, because a person says so.
pub(super) fn forbid(draft: &mut Draft<'_>, finding: &Finding, by: &str, reason: &str) {
    for digest in own(draft.state(), finding) {
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
        // It stays forbidden for whichever other one says the same of it.
        let fact = if let Some((other, by)) = held_by(draft.state(), digest, by) {
            let reason = format!("finding {other} is about it, too");
            Fact::DigestQuarantined { digest, finding: Some(other), by: by.to_owned(), reason }
        } else {
            let reason = format!("finding {dismissed} was dismissed: {reason}");
            Fact::DigestReleased { digest, by: by.to_owned(), reason }
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

/// Another finding for which a program stays forbidden, and who says so: `by` if a person has confirmed it, else the
/// scheduler, if two witnesses have led to it and nobody has looked.
fn held_by<'a>(state: &State, digest: Hash, by: &'a str) -> Option<(FindingId, &'a str)> {
    let is_about = |one: &Finding| own(state, one).contains(&digest);
    let find = |is_so: &dyn Fn(&Finding) -> bool| {
        state.findings.iter().find(|one| is_so(one) && is_about(one)).map(|one| one.id)
    };
    let confirmed = find(&|one| one.state == FindingState::Confirmed);
    let waits = || find(&|one| one.state.is_undecided() && one.response == Response::Kill);
    confirmed.map(|id| (id, by)).or_else(|| waits().map(|id| (id, Token::SCHEDULER)))
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
