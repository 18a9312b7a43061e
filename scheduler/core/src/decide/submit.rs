//! Submissions: what is accepted, what is held, what is refused.

pub(crate) mod bounds;
mod box_of;
mod contradiction;
pub(super) mod marks;

use std::sync::Arc;

use repower_model::{Array, Dependency, Image, Indices, JobId, JobSpec, JobState, Mark, Verdict};

use super::each::cancel_tasks;
use super::finding::{Subject, admission};
use super::settle::settle;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::{Fact, JobSubmitted, SubmissionRefused};
use crate::input::Submit;
use crate::policy::{Class, Policy, Tier};
use crate::refusal::Refusal;
use crate::state::{Job, State, Token};

pub(crate) fn submit(draft: &mut Draft<'_>, submit: &Submit) -> Result<Answer, Refusal> {
    if let Some(known) = draft.state().job_by_key(&submit.key) {
        if known.submitter != submit.submitter || !is_the_same(known, &submit.spec) {
            return Err(Refusal::KeyTaken { job: known.id });
        }
        let (job, tasks, hold) = (known.id, known.count(), known.held_by_policy());
        return Ok(Answer::Job { job, created: false, tasks, hold });
    }
    bounds::check(&submit.spec, draft.now())?;
    box_of::check(&submit.spec)?;
    let (policy, _) = draft
        .state()
        .policy
        .as_ref()
        .ok_or_else(|| Refusal::BadPolicy { problem: "none has been adopted".into() })?;
    let class = match class_of(policy, &submit.spec.class) {
        Ok(class) => class,
        Err(refusal) => return Ok(refuse(draft, submit, &submit.marks, refusal)),
    };
    if let Some(refusal) = forbidden(draft.state(), &submit.spec) {
        brought(draft, submit, &refusal);
        return Ok(refuse(draft, submit, &submit.marks, refusal));
    }
    let (tier, spec) = (class.tier, box_of::settled(&submit.spec, class)?);
    box_of::check_folder(&spec, &submit.spec, class)?;
    let marks = marks::all(submit, policy)?;
    let is_suspect = match marks::judge(&marks, policy) {
        Ok(is_suspect) => is_suspect,
        Err(refusal) => {
            let answer = refuse(draft, submit, &marks, refusal);
            contradiction::told(draft, submit, &marks, None);
            return Ok(answer);
        }
    };
    let hash = policy.hash;
    bounds::fits_somewhere(draft.state(), &spec)?;
    let waits_for = open_dependencies(draft.state(), submit)?;
    let mut lost = Indices::default();
    for dependency in waits_for.iter().filter(|one| one.per_task) {
        lost.add(&draft.state().lost_of(dependency));
    }
    let job = JobId(draft.state().last_job + 1);
    let tasks = submit.spec.array.count();
    let asks = tier == Tier::Review || is_suspect;
    let of_whom = (&spec, submit.submitter.as_str());
    let approval = asks.then(|| draft.state().covering(of_whom, is_suspect, draft.now()));
    let approval = approval.flatten().map(|approval| approval.id);
    draft.push(Fact::JobSubmitted(Box::new(JobSubmitted {
        job,
        key: submit.key,
        submitter: submit.submitter.clone(),
        spec: Arc::new(spec),
        tier,
        policy: hash,
        review: asks && approval.is_none(),
        waits_for,
        approval,
        marks: marks.clone(),
    })));
    if is_suspect && approval.is_none() {
        contradiction::told(draft, submit, &marks, Some(job));
    }
    let hold = draft.state().job(job).and_then(Job::held_by_policy);
    let reason = "the tasks that they depend on have ended otherwise already".to_owned();
    let mut touched = cancel_tasks(draft, job, &lost, Token::SCHEDULER, reason);
    touched.push(job);
    settle(draft, touched);
    Ok(Answer::Job { job, created: true, tasks, hold })
}

/// Whether this is the specification that a job was submitted with; its class has settled the rest.
fn is_the_same(known: &Job, spec: &JobSpec) -> bool {
    let (isolation, egress) = (known.spec.isolation, known.spec.egress.clone());
    let project_user = known.spec.project_user;
    JobSpec { isolation, egress, project_user, ..spec.clone() } == *known.spec
}

/// What of the job must not run anywhere: its script, its image or an input.
fn forbidden(state: &State, spec: &JobSpec) -> Option<Refusal> {
    let forbidden = state.findings.forbidden();
    if forbidden.is_empty() {
        return None;
    }
    marks::digests(spec).find_map(|(place, digest)| {
        let what = format!("the {place}");
        let reason = forbidden.get(&digest)?.reason.clone();
        Some(Refusal::DigestForbidden { what, digest, reason })
    })
}

/// Somebody brings what must not run: somebody else should know.
fn brought(draft: &mut Draft<'_>, submit: &Submit, refusal: &Refusal) {
    let Refusal::DigestForbidden { what, digest, .. } = refusal else { return };
    let at = draft.now();
    let verdict = Verdict {
        rule: "content.known-digest".to_owned(),
        version: 1,
        tier: 1,
        mechanism: "content".to_owned(),
        first_seen: at,
        last_seen: at,
        times: 1,
        detail: what.clone(),
    };
    let image = Image { digest: *digest, path: what.clone(), shared: false };
    let subject = Subject {
        job: None,
        class: submit.spec.class.clone(),
        project: submit.spec.project.clone(),
        submitter: submit.submitter.clone(),
        verdicts: vec![verdict],
        images: vec![image],
        evidence: None,
    };
    admission(draft, &subject);
}

fn class_of<'a>(policy: &'a Policy, class: &str) -> Result<&'a Class, Refusal> {
    if class.is_empty() {
        return Err(Refusal::ClassUndeclared { known: policy.runnable() });
    }
    let Some(known) = policy.classes.get(class) else {
        let nearest = policy.nearest(class);
        return Err(Refusal::ClassUnknown {
            class: class.to_owned(),
            nearest,
            known: policy.runnable(),
        });
    };
    if known.tier == Tier::Prohibited {
        return Err(Refusal::ClassProhibited {
            class: class.to_owned(),
            version: policy.version.clone(),
            entry: known.entry.clone(),
        });
    }
    Ok(known)
}

/// What the policy forbids is refused, and the refusal is a fact.
fn refuse(draft: &mut Draft<'_>, submit: &Submit, marks: &[Mark], refusal: Refusal) -> Answer {
    let policy = draft.state().policy.as_ref().map(|(policy, _)| policy.hash);
    draft.push(Fact::SubmissionRefused(Box::new(SubmissionRefused {
        submitter: submit.submitter.clone(),
        name: submit.spec.name.clone(),
        class: submit.spec.class.clone(),
        code: refusal.code().to_owned(),
        text: refusal.to_string(),
        policy: policy.expect("a policy has just refused it"),
        spec_hash: submit.spec_hash,
        marks: Mark::heaviest(marks.to_vec()),
    })));
    Answer::Refused(refusal)
}

/// The dependencies that must still be waited for.
fn open_dependencies(state: &State, submit: &Submit) -> Result<Vec<Dependency>, Refusal> {
    let mut open = Vec::new();
    for dependency in &submit.spec.dependencies {
        if let Some(on) = state.job(dependency.job) {
            if dependency.per_task && !submit.spec.array.has_same_indices(&on.spec.array) {
                return Err(Refusal::DependencyMismatch {
                    job: on.id,
                    own: indices(&submit.spec.array),
                    other: indices(&on.spec.array),
                });
            }
            open.push(*dependency);
            continue;
        }
        let ended = submit.past.iter().find(|(job, _)| *job == dependency.job);
        let Some((job, ended)) = ended.copied() else {
            return Err(Refusal::DependencyUnknown { job: dependency.job });
        };
        if !dependency.kind.is_met_by(ended) {
            let (wanted, state): (_, JobState) = (dependency.kind.to_string(), ended);
            return Err(Refusal::DependencyFailed { job, wanted, state });
        }
    }
    open.sort_unstable();
    open.dedup();
    Ok(open)
}

/// The indices of an array, shortened where they are many ranges.
fn indices(array: &Array) -> String {
    const SHOWN: usize = 4;
    let ranges = array.ranges();
    let shown: Vec<_> = ranges.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if ranges.len() > SHOWN { ",.." } else { "" };
    format!("{}{more}", shown.join(","))
}
