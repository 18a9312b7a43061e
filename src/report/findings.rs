//! The findings of a report.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::fact::{Fact, FindingSeen};
use repower_core::policy::{Declared, Exposure, Policy};
use repower_model::{AttemptId, Finding, FindingId, FindingReview, Timestamp, Verdict};
use repower_proto::v1;

use super::accounts::Account;
use super::compliance::{AccountLine, DecisionLine, FindingLine, List, VerdictLine};
use super::gather::when;
use crate::render::json;

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    known: BTreeMap<FindingId, Known>,
    ended: BTreeSet<AttemptId>,
}

#[derive(Debug)]
struct Known {
    finding: Finding,
    /// Whether it was opened, seen or decided in the period.
    counts: bool,
}

/// By what is reckoned what findings may cost.
#[derive(Debug)]
pub(super) struct Basis<'a> {
    /// The policy in force at the end.
    pub(super) policy: Option<&'a Policy>,
    /// What nodes are declared to draw.
    pub(super) declared: Declared,
    /// The end: when the newest fact was written.
    pub(super) now: Timestamp,
}

impl Findings {
    /// Takes a fact that may be about findings, and whether it falls into the period.
    pub(super) fn take(&mut self, fact: &Fact, at: Timestamp, inside: bool) {
        if let Fact::FindingOpened(finding) = fact {
            let known = Known { finding: Finding::clone(finding), counts: inside };
            self.known.insert(finding.id, known);
        } else if let Fact::FindingSeen(seen) = fact {
            let FindingSeen { finding, verdicts, images, evidence } = &**seen;
            let Some(known) = self.known.get_mut(finding) else { return };
            known.finding.notice(verdicts, images, *evidence);
            known.counts |= inside;
        } else if let Fact::FindingReviewed { finding, state, by, reason, policy } = fact {
            let Some(known) = self.known.get_mut(finding) else { return };
            let (by, reason) = (by.clone(), reason.clone());
            let review = FindingReview { state: *state, by, reason, at, policy: *policy };
            known.finding.state = *state;
            known.finding.reviews.push(review);
            known.counts |= inside;
        }
    }

    /// An attempt has ended: what was seen of it does not go on.
    pub(super) fn ended(&mut self, attempt: AttemptId) {
        let is_about =
            |known: &Known| known.finding.rank.is_some_and(|rank| rank.attempt == attempt);
        if self.known.values().any(is_about) {
            self.ended.insert(attempt);
        }
    }

    /// Those of the period, the oldest first and at most so many, how many of them are undecided, and all by
    /// site and account.
    pub(super) fn finish(
        self,
        basis: &Basis<'_>,
        most: usize,
    ) -> (List<FindingLine>, u64, Vec<AccountLine>) {
        let (mut list, mut undecided) = (List::of_most(most), 0);
        let mut accounts: BTreeMap<(String, String), Account> = BTreeMap::new();
        for known in self.known.into_values().filter(|known| known.counts) {
            let finding = &known.finding;
            let goes_on = finding.rank.is_some_and(|rank| !self.ended.contains(&rank.attempt));
            let end = if goes_on && !finding.holds_job() { basis.now } else { finding.last_seen() };
            let exposure = Exposure::of(basis.policy, finding, &basis.declared, end);
            if finding.rank.is_some() {
                let place = (finding.site.clone(), finding.meter.clone());
                accounts.entry(place).or_default().add(finding, &exposure);
            }
            undecided += u64::from(finding.state.is_undecided());
            list.push(line(finding, exposure));
        }
        let accounts = accounts.into_iter().map(|((site, meter), one)| one.line(&site, &meter));
        (list, undecided, accounts.collect())
    }
}

pub(super) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn line(finding: &Finding, exposure: Exposure) -> FindingLine {
    let decided = (!finding.state.is_undecided()).then(|| finding.reviews.last()).flatten();
    FindingLine {
        id: finding.id.0,
        job: finding.job.map(|job| job.0),
        class: finding.class.clone(),
        node: finding.node.is_some().then(|| finding.node_name.clone()),
        site: text(&finding.site),
        meter: text(&finding.meter),
        source: finding.source.as_str().to_owned(),
        rules: finding.verdicts.iter().map(|one| one.rule.clone()).collect(),
        verdicts: finding.verdicts.iter().map(verdict).collect(),
        response: finding.response.as_str().to_owned(),
        policy: finding.policy.to_string(),
        first_seen: when(finding.first_seen()),
        last_seen: when(finding.last_seen()),
        state: finding.state.as_str().to_owned(),
        decided: decided.map(|one| format!("{}: {}", one.by, one.reason)),
        decisions: finding.reviews.iter().map(decision).collect(),
        evidence: finding.evidence.iter().map(|one| one.digest.to_string()).collect(),
        exposure: json::Exposure::from(Some(&v1::Exposure::from(exposure))),
    }
}

fn verdict(one: &Verdict) -> VerdictLine {
    VerdictLine {
        rule: one.rule.clone(),
        version: one.version,
        tier: one.tier,
        mechanism: one.mechanism.clone(),
        first_seen: when(one.first_seen),
        last_seen: when(one.last_seen),
        times: one.times,
    }
}

fn decision(one: &FindingReview) -> DecisionLine {
    DecisionLine {
        state: one.state.as_str().to_owned(),
        by: one.by.clone(),
        reason: one.reason.clone(),
        at: when(one.at),
        policy: one.policy.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use repower_model::{FindingSource, FindingState, Hash, JobId, NodeId, Response, Span, TaskId};

    use super::*;
    use crate::report::compliance::MOST;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn opened(id: u64) -> Fact {
        let verdict = Verdict {
            rule: "content.known-digest".into(),
            version: 1,
            tier: 1,
            mechanism: "content".into(),
            first_seen: AT,
            last_seen: AT,
            times: 1,
            detail: "the script".into(),
        };
        Fact::FindingOpened(Box::new(Finding {
            class: "sci-simulation".into(),
            submitter: "ada".into(),
            verdicts: vec![verdict],
            response: Response::Freeze,
            ..Finding::new(FindingId(id), FindingSource::Admission, AT, Hash([6; 32]))
        }))
    }

    #[test]
    fn what_was_opened_before_the_period_counts_once_somebody_decides_it() {
        let mut findings = Findings::default();
        findings.take(&opened(1), AT, false);
        findings.take(&opened(2), AT, false);
        let reviewed = Fact::FindingReviewed {
            finding: FindingId(2),
            state: FindingState::Confirmed,
            by: "mia".into(),
            reason: "a known miner".into(),
            policy: Hash([6; 32]),
        };
        findings.take(&reviewed, AT + Span::from_secs(60), true);
        findings.take(&opened(3), AT, true);

        let basis = Basis { policy: None, declared: Declared::default(), now: AT };
        let (list, undecided, accounts) = findings.finish(&basis, MOST);

        assert!(accounts.is_empty(), "nothing of them has run anywhere");
        let told: Vec<_> = list
            .lines
            .iter()
            .map(|one| (one.id, one.state.as_str(), one.decided.as_deref()))
            .collect();
        let decided = Some("mia: a known miner");
        assert_eq!(told, [(2, "confirmed", decided), (3, "open", None)]);
        assert_eq!((list.total, undecided, list.lines[0].job), (2, 1, None));
        assert_eq!(list.lines[0].rules, ["content.known-digest"]);
        assert_eq!(list.lines[0].node, None);
    }

    /// A finding about a task on account M-1, seen from one second after [`AT`] to another.
    fn of_task(id: u64, seconds: (u64, u64), state: FindingState) -> Finding {
        let Fact::FindingOpened(blank) = opened(id) else { unreachable!("it opens one") };
        let task = TaskId { job: JobId(id), index: 0 };
        let mut finding = Finding {
            source: FindingSource::Task,
            state,
            job: Some(task.job),
            rank: Some(AttemptId { task, number: 1 }.rank(0)),
            node: Some(NodeId(1)),
            node_name: "n1".into(),
            site: "hangzhou".into(),
            meter: "M-1".into(),
            ..*blank
        };
        finding.verdicts[0].first_seen = AT + Span::from_secs(seconds.0);
        finding.verdicts[0].last_seen = AT + Span::from_secs(seconds.1);
        finding
    }

    #[test]
    fn findings_are_counted_beyond_the_lines_that_are_shown() {
        let mut findings = Findings::default();
        let many = 1 + MOST as u64;
        (1..=many).for_each(|id| findings.take(&opened(id), AT, true));
        let basis = Basis { policy: None, declared: Declared::default(), now: AT };

        let (list, undecided, _) = findings.finish(&basis, MOST);

        assert_eq!((list.lines.len(), list.total, undecided), (MOST, many, many));
    }

    #[test]
    fn time_that_several_findings_are_charged_for_counts_once_on_their_account() {
        let policy = Policy::parse(
            "policy-version = \"1\"\njurisdictions = [\"X\"]\n[class.a]\ntier = \"permitted\"\n\
             [tariff.X]\ncurrency = \"CNY\"\nsurcharge-micro-per-kwh = 1000000\n\
             scope = \"whole-account\"\n",
        );
        let policy = policy.unwrap();
        let labels = ["meter", "watts"].map(str::to_owned).into_iter();
        let labels: Vec<_> = labels.zip(["M-1", "3600"].map(str::to_owned)).collect();
        let declared = Declared::of([(NodeId(1), labels.as_slice())]);
        let basis = Basis { policy: Some(&policy), declared, now: AT + Span::from_secs(9000) };
        let mut findings = Findings::default();
        let open = FindingState::Open;
        for one in [
            of_task(1, (0, 1000), open),
            of_task(2, (500, 2000), FindingState::Confirmed),
            of_task(3, (5000, 6000), open),
            of_task(4, (0, 8000), FindingState::Dismissed),
        ] {
            let attempt = one.rank.unwrap().attempt;
            findings.take(&Fact::FindingOpened(Box::new(one)), AT, true);
            findings.ended(attempt);
        }

        let (list, _, accounts) = findings.finish(&basis, MOST);

        let [account] = accounts.as_slice() else { panic!("{accounts:?}") };
        assert_eq!((account.findings, account.undecided, account.confirmed), (4, 2, 1));
        assert_eq!(account.charged_ms, Some(3_000_000), "0 to 2000 s, and 5000 to 6000 s");
        assert_eq!(account.stated_energy_mwh, Some(3_000_000));
        assert_eq!(account.stated_amount_micro, Some(3_000_000));
        assert_eq!((account.amount_micro, account.energy_mwh), (None, None), "nothing is metered");
        assert_eq!(account.unknown.as_deref(), Some("no meter of account M-1 is read"));
        assert_eq!(account.last_seen, when(AT + Span::from_secs(6000)));
        let stated =
            |at: usize| list.lines[at].exposure.stated.as_ref().map(|one| one.amount_micro);
        assert_eq!((stated(0), stated(1), stated(3)), (Some(1_000_000), Some(1_500_000), None));
    }
}
