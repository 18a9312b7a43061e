//! The findings of a report.

use std::collections::BTreeMap;

use repower_core::fact::{Fact, FindingSeen};
use repower_model::{Finding, FindingId, FindingReview, Timestamp};

use super::compliance::{FindingLine, List};
use super::gather::when;

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    known: BTreeMap<FindingId, Known>,
}

#[derive(Debug)]
struct Known {
    finding: Finding,
    /// Whether it was opened, seen or decided in the period.
    counts: bool,
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

    /// Those of the period, the oldest first.
    pub(super) fn finish(self) -> List<FindingLine> {
        let mut list = List::default();
        for known in self.known.into_values().filter(|known| known.counts) {
            list.push(line(&known.finding));
        }
        list
    }
}

fn line(finding: &Finding) -> FindingLine {
    let first = finding.verdicts.iter().map(|one| one.first_seen).min();
    let decided = (!finding.state.is_undecided()).then(|| finding.reviews.last()).flatten();
    FindingLine {
        id: finding.id.0,
        job: finding.job.map(|job| job.0),
        class: finding.class.clone(),
        node: finding.node.is_some().then(|| finding.node_name.clone()),
        rules: finding.verdicts.iter().map(|one| one.rule.clone()).collect(),
        first_seen: when(first.unwrap_or(finding.opened)),
        last_seen: when(finding.last_seen()),
        state: finding.state.as_str().to_owned(),
        decided: decided.map(|one| format!("{}: {}", one.by, one.reason)),
        evidence: finding.evidence.iter().map(|one| one.digest.to_string()).collect(),
        exposure: None,
    }
}

#[cfg(test)]
mod tests {
    use repower_model::{FindingSource, FindingState, Hash, Response, Span, Verdict};

    use super::*;

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
            id: FindingId(id),
            source: FindingSource::Admission,
            state: FindingState::Open,
            opened: AT,
            job: None,
            rank: None,
            node: None,
            node_name: String::new(),
            site: String::new(),
            meter: String::new(),
            class: "sci-simulation".into(),
            project: String::new(),
            submitter: "ada".into(),
            verdicts: vec![verdict],
            response: Response::Freeze,
            evidence: Vec::new(),
            images: Vec::new(),
            policy: Hash([6; 32]),
            reviews: Vec::new(),
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

        let list = findings.finish();

        let told: Vec<_> = list
            .lines
            .iter()
            .map(|one| (one.id, one.state.as_str(), one.decided.as_deref()))
            .collect();
        let decided = Some("mia: a known miner");
        assert_eq!(told, [(2, "confirmed", decided), (3, "open", None)]);
        assert_eq!((list.total, list.lines[0].job), (2, None));
        assert_eq!(list.lines[0].rules, ["content.known-digest"]);
        assert_eq!(list.lines[0].node, None);
    }
}
