//! Findings: what agents and the scheduler notice, what is done about it, and what people decide.

use repower_model::{
    AttemptId, Evidence, Finding, FindingId, FindingSource, FindingState, Hash, Image, JobId,
    METER, NodeId, Outcome, RankId, Response, SITE, Span, StopReason, TaskId, Verdict,
};

use super::each::cancel_tasks;
use super::report::live;
use super::settle::settle;
use super::{owner, quarantine};
use crate::draft::Draft;
use crate::effect::{Answer, Effect};
use crate::fact::{Fact, FindingSeen};
use crate::input::{Decide, Noticed};
use crate::life::attempt::{self, Event, Phase};
use crate::life::finding::after;
use crate::refusal::Refusal;
use crate::state::{State, Token};

/// A finding that only goes on is a fact again no sooner than this.
const AGAIN: Span = Span::from_secs(60);

/// What a finding is about, when the scheduler has noticed it itself.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) job: Option<JobId>,
    pub(crate) class: String,
    pub(crate) project: String,
    pub(crate) submitter: String,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) images: Vec<Image>,
    pub(crate) evidence: Option<Evidence>,
}

/// How many findings about what one person has submitted wait for a decision; more are told of with the
/// latest of them, so that nobody fills the memory with submissions.
const OF_ONE_PERSON: usize = 16;

/// Opens a finding about what was submitted. The same person with the same program again is one finding.
pub(crate) fn admission(draft: &mut Draft<'_>, subject: &Subject) -> FindingId {
    let own: Vec<&Finding> = draft
        .state()
        .findings
        .iter()
        .filter(|one| {
            one.source == FindingSource::Admission
                && one.state.is_undecided()
                && one.submitter == subject.submitter
        })
        .collect();
    let same = own.iter().copied().find(|one| {
        one.job == subject.job
            && one.class == subject.class
            && digests(&one.images).eq(digests(&subject.images))
    });
    let latest = own.last().copied().filter(|_| own.len() >= OF_ONE_PERSON);
    if let Some(id) = same.or(latest).map(|one| one.id) {
        again(draft, id, &subject.verdicts, &subject.images, subject.evidence);
        return id;
    }
    let blank = blank(draft, FindingSource::Admission);
    let mut finding = Finding {
        job: subject.job,
        class: subject.class.clone(),
        project: subject.project.clone(),
        submitter: subject.submitter.clone(),
        ..blank
    };
    finding.notice(&subject.verdicts, &subject.images, subject.evidence);
    let id = finding.id;
    draft.push(Fact::FindingOpened(Box::new(finding)));
    id
}

/// What programs are, wherever they lie.
fn digests(images: &[Image]) -> impl Iterator<Item = Hash> {
    images.iter().map(|image| image.digest)
}

/// An agent has noticed something about a process that it runs, or ran when it was given up. Its clock
/// may be wrong: nothing was seen after now.
pub(crate) fn noticed(draft: &mut Draft<'_>, node: NodeId, told: &Noticed) {
    let mut told = told.clone();
    for verdict in &mut told.verdicts {
        verdict.last_seen = verdict.last_seen.min(draft.now());
        verdict.first_seen = verdict.first_seen.min(verdict.last_seen);
    }
    if let Some(job) = draft.state().job(told.rank.attempt.task.job) {
        // Nor before there was anything to see.
        for verdict in &mut told.verdicts {
            verdict.first_seen = verdict.first_seen.max(job.submitted).min(draft.now());
            verdict.last_seen = verdict.last_seen.max(verdict.first_seen);
        }
    }
    let told = &told;
    let attempt = told.rank.attempt;
    let findings = &draft.state().findings;
    let dismissed = findings.dismissed_rules(attempt);
    let is_new = |one: &&Verdict| !dismissed.contains(one.rule.as_str());
    let fresh: Vec<Verdict> = told.verdicts.iter().filter(is_new).cloned().collect();
    if fresh.is_empty() {
        // It may have let the process stand still before it heard of that.
        return remind(draft, node, told.rank);
    }
    if let Some(known) = findings.undecided(attempt) {
        let id = known.id;
        again(draft, id, &fresh, &told.images, told.evidence);
    } else if findings.condemn(attempt).is_none() {
        open(draft, node, told, &fresh);
    }
    let findings = &draft.state().findings;
    let claimed = Response::to(fresh.iter().map(|one| (one.tier, one.mechanism.as_str())));
    let stands = findings.freezes(attempt).or_else(|| findings.condemn(attempt)).is_some();
    if claimed >= Response::Freeze && !stands {
        // The agent goes by an older policy: the one in force does not let it stand still.
        draft.owe(Effect::Thaw { node, rank: told.rank, rules: Vec::new() });
    }
}

fn open(draft: &mut Draft<'_>, node: NodeId, told: &Noticed, verdicts: &[Verdict]) {
    let state = draft.state();
    let id = told.rank.attempt.task.job;
    let (class, project, submitter) = match (state.job(id), state.nodes[&node].given_up(told.rank))
    {
        (Some(job), _) => (&job.spec.class, &job.spec.project, &job.submitter),
        (None, Some(lost)) => (&lost.class, &lost.project, &lost.submitter),
        (None, None) => return,
    };
    let mut finding = Finding {
        job: Some(id),
        rank: Some(told.rank),
        node: Some(node),
        node_name: state.nodes[&node].name.clone(),
        site: label(state, node, SITE),
        meter: label(state, node, METER),
        hardest: hardest(state, class),
        class: class.clone(),
        project: project.clone(),
        submitter: submitter.clone(),
        ..blank(draft, FindingSource::Task)
    };
    let job = state.job(id).filter(|_| told.images.iter().all(|image| image.shared));
    // First: there is room for a few only, and what a task lets run beside is its own choice.
    let mut images = job.map(|job| quarantine::told_to_run(&job.spec)).unwrap_or_default();
    images.extend(told.images.iter().cloned());
    finding.notice(verdicts, &images, told.evidence);
    let id = finding.id;
    draft.push(Fact::FindingOpened(Box::new(finding)));
    enforce(draft, id);
}

/// The hardest thing that the policy lets be done without a person about tasks of a class.
fn hardest(state: &State, class: &str) -> Response {
    let policy = state.policy.as_ref().map(|(policy, _)| policy);
    let class = policy.and_then(|policy| policy.classes.get(class));
    class.map_or(Response::Kill, |class| class.detector.hardest.response())
}

/// What a node says of itself; empty if it does not.
fn label(state: &State, node: NodeId, name: &str) -> String {
    let mut labels = state.nodes[&node].inventory.labels.iter();
    labels.find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// One that says nothing yet.
fn blank(draft: &Draft<'_>, source: FindingSource) -> Finding {
    let state = draft.state();
    Finding::new(state.findings.next_id(), source, draft.now(), policy(state))
}

/// The same again, or more of it.
fn again(
    draft: &mut Draft<'_>,
    id: FindingId,
    verdicts: &[Verdict],
    images: &[Image],
    evidence: Option<Evidence>,
) {
    let Some(known) = draft.state().findings.get(id) else { return };
    let mut then = known.clone();
    then.notice(verdicts, images, evidence);
    let is_more = then.verdicts.len() > known.verdicts.len()
        || then.evidence.len() > known.evidence.len()
        || then.images.len() > known.images.len();
    if !is_more && then.last_seen().since(known.last_seen()) < AGAIN {
        return;
    }
    let hardened = then.response > known.response;
    let changed = then.verdicts.iter().filter(|one| !known.verdicts.contains(one));
    let images = then.images.iter().filter(|one| !known.images.contains(one));
    let evidence = then.evidence.iter().find(|one| !known.evidence.contains(one));
    let seen = FindingSeen {
        finding: id,
        verdicts: changed.cloned().collect(),
        images: images.cloned().collect(),
        evidence: evidence.copied(),
    };
    draft.push(Fact::FindingSeen(Box::new(seen)));
    if hardened {
        enforce(draft, id);
    }
}

/// Does what a finding calls for.
fn enforce(draft: &mut Draft<'_>, id: FindingId) {
    let Some(finding) = draft.state().findings.get(id) else { return };
    let Some(attempt) = finding.rank.map(|rank| rank.attempt) else { return };
    match finding.response {
        // The job is asked, and outputs are held, wherever somebody looks.
        Response::None | Response::Ask | Response::Hold => {}
        Response::Freeze => {
            for (rank, node) in draft.left(attempt) {
                draft.owe(Effect::Freeze { node, rank });
            }
            recall(draft, id, attempt.task.job);
        }
        Response::Kill => {
            let reason = format!("finding {id}: {}", finding.rules());
            end(draft, attempt, Token::SCHEDULER, reason.clone());
            recall(draft, id, attempt.task.job);
            quarantine::suspend(draft, id, &reason);
        }
    }
}

/// Takes back what was placed of a job and has not started: none of its tasks starts while somebody has
/// to look.
fn recall(draft: &mut Draft<'_>, finding: FindingId, job: JobId) {
    for attempt in placed(draft.state(), job) {
        let gang = draft.state().jobs[&job].spec.gang.is_some();
        // A gang is never recalled: some of its ranks may run.
        let why = if gang { StopReason::Drained } else { StopReason::Recalled };
        let (by, reason) =
            (Token::SCHEDULER.to_owned(), format!("finding {finding} holds its job"));
        draft.push(Fact::AttemptStopping { attempt, why, by, reason });
    }
}

/// What of a job is on nodes and does not run.
fn placed(state: &State, job: JobId) -> Vec<AttemptId> {
    let all = TaskId { job, index: 0 }..=TaskId { job, index: u32::MAX };
    let placed = state.attempts.range(all).filter(|(_, live)| live.phase == Phase::Placed);
    placed.map(|(task, live)| AttemptId { task: *task, number: live.number }).collect()
}

/// Ends an attempt that is not what its job declares.
fn end(draft: &mut Draft<'_>, attempt: AttemptId, by: &str, reason: String) {
    let Some(live) = live(draft.state(), attempt) else { return };
    if attempt::after(live.phase, Event::Cancel).is_some() {
        let (why, by) = (StopReason::Finding, by.to_owned());
        return draft.push(Fact::AttemptStopping { attempt, why, by, reason });
    }
    // It is being ended already, but in its own time.
    for (rank, node) in draft.left(attempt) {
        draft.owe(Effect::Stop { node, rank, why: StopReason::Finding });
    }
}

/// Tells a node again how one of its processes stands: it may have missed it.
pub(crate) fn remind(draft: &mut Draft<'_>, node: NodeId, rank: RankId) {
    let findings = &draft.state().findings;
    let rules: Vec<String> =
        findings.dismissed_rules(rank.attempt).into_iter().map(str::to_owned).collect();
    let is_frozen = findings.freezes(rank.attempt).is_some();
    if !rules.is_empty() {
        draft.owe(Effect::Thaw { node, rank, rules });
    }
    if is_frozen {
        draft.owe(Effect::Freeze { node, rank });
    }
}

/// How an attempt has ended that had to end for a finding; `None`: it had not.
pub(crate) fn condemned(state: &State, attempt: AttemptId) -> Option<Outcome> {
    let finding = state.findings.condemn(attempt)?;
    Some(Outcome::Finding { detail: format!("finding {}: {}", finding.id, finding.rules()) })
}

/// The end of an attempt answers what was only asked of it.
pub(crate) fn lapse(draft: &mut Draft<'_>, attempt: AttemptId) {
    let asked = |one: &&Finding| one.state == FindingState::Open && one.response <= Response::Ask;
    let lapsed: Vec<FindingId> =
        draft.state().findings.of(attempt).filter(asked).map(|one| one.id).collect();
    for finding in lapsed {
        let policy = policy(draft.state());
        let reason = "its task has ended, and only a question was asked".to_owned();
        let (state, by) = (FindingState::Lapsed, Token::SCHEDULER.to_owned());
        draft.push(Fact::FindingReviewed { finding, state, by, reason, policy });
    }
}

/// A named person decides.
pub(crate) fn decide(draft: &mut Draft<'_>, asked: &Decide) -> Result<Answer, Refusal> {
    let id = asked.finding;
    let findings = &draft.state().findings;
    let Some(finding) = findings.get(id) else {
        return Err(if findings.was_opened(id) {
            Refusal::FindingSettled { finding: id }
        } else {
            Refusal::FindingUnknown { finding: id }
        });
    };
    let asker = (asked.by.as_str(), asked.role);
    if asked.state != FindingState::Appealed {
        owner::rules(asker, "decide about findings")?;
    } else if asked.by != finding.submitter {
        owner::rules(asker, "appeal findings about what others have submitted")?;
    }
    let (was, wanted) = (finding.state, asked.state);
    if wanted == FindingState::Lapsed || after(was, wanted).is_none() {
        return Err(Refusal::FindingElsewhere { finding: id, was, wanted });
    }
    if asked.reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    if matches!(wanted, FindingState::Confirmed | FindingState::Dismissed) {
        owner::four_eyes(draft, &finding.submitter, &asked.by)?;
    }
    if finding.reviews.len() >= Finding::REVIEWS {
        let (what, asked) = ("the number of decisions", finding.reviews.len() + 1);
        let allowed = format!("at most {}", Finding::REVIEWS);
        return Err(Refusal::OutOfBounds { what, asked: asked.to_string(), allowed });
    }
    if wanted == FindingState::Confirmed && asked.quarantine {
        quarantine::fits(draft, finding)?;
    }
    let policy = policy(draft.state());
    let (by, reason) = (asked.by.clone(), asked.reason.clone());
    draft.push(Fact::FindingReviewed { finding: id, state: wanted, by, reason, policy });
    match wanted {
        FindingState::Confirmed => confirmed(draft, asked),
        FindingState::Dismissed => dismissed(draft, asked),
        FindingState::Open
        | FindingState::UnderReview
        | FindingState::Appealed
        | FindingState::Lapsed => {}
    }
    Ok(Answer::Done)
}

/// A person has looked at what a job brings along, and lets it run: what was found there before it ran is
/// decided with that.
pub(crate) fn cleared(draft: &mut Draft<'_>, job: JobId, by: &str, reason: &str) {
    let findings = draft.state().findings.iter();
    let about = findings.filter(|one| {
        one.source == FindingSource::Admission && one.job == Some(job) && one.state.is_undecided()
    });
    let about: Vec<FindingId> = about.map(|one| one.id).collect();
    for finding in about {
        let policy = policy(draft.state());
        let (by, reason) = (by.to_owned(), format!("job {job} was approved: {reason}"));
        let state = FindingState::Dismissed;
        draft.push(Fact::FindingReviewed { finding, state, by, reason, policy });
    }
}

/// It is what it looks like: its programs are forbidden, it ends, and no other task of its job starts.
fn confirmed(draft: &mut Draft<'_>, asked: &Decide) {
    let Some(finding) = draft.state().findings.get(asked.finding).cloned() else { return };
    let id = finding.id;
    let reason = format!("finding {id} was confirmed: {}", asked.reason);
    if asked.quarantine {
        quarantine::forbid(draft, &finding, &asked.by, &reason);
    }
    if let Some(rank) = finding.rank {
        end(draft, rank.attempt, &asked.by, reason.clone());
    }
    let Some(job) = finding.job.and_then(|job| draft.state().job(job)) else { return };
    let (job, pending) = (job.id, job.pending.clone());
    for attempt in placed(draft.state(), job) {
        let (why, by, reason) = (StopReason::Cancelled, asked.by.clone(), reason.clone());
        draft.push(Fact::AttemptStopping { attempt, why, by, reason });
    }
    let mut touched = cancel_tasks(draft, job, &pending, &asked.by, reason);
    touched.push(job);
    settle(draft, touched);
}

/// It is not: its task goes on, and what was forbidden for it is not any more.
fn dismissed(draft: &mut Draft<'_>, asked: &Decide) {
    let Some(finding) = draft.state().findings.get(asked.finding).cloned() else { return };
    if let Some(rank) = finding.rank {
        for (rank, node) in draft.left(rank.attempt) {
            remind(draft, node, rank);
        }
    }
    quarantine::undo(draft, finding.id, &asked.by, &asked.reason);
}

fn policy(state: &State) -> Hash {
    state.policy.as_ref().map_or(Hash([0; 32]), |(policy, _)| policy.hash)
}
