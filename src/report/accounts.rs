//! What was found on a metering account.

use std::collections::BTreeSet;

use repower_core::policy::{Exposure, Scope};
use repower_model::{Finding, FindingState, Span, Timestamp, WattHours, Watts};

use super::compliance::AccountLine;
use super::findings::text;
use super::gather::when;

/// What was found on one metering account.
#[derive(Debug, Default)]
pub(super) struct Account {
    findings: u64,
    undecided: u64,
    confirmed: u64,
    seen: Option<(Timestamp, Timestamp)>,
    charged: Vec<(Timestamp, Timestamp)>,
    exposures: Vec<Exposure>,
}

impl Account {
    /// One more.
    pub(super) fn add(&mut self, finding: &Finding, exposure: &Exposure) {
        self.findings += 1;
        self.undecided += u64::from(finding.state.is_undecided());
        self.confirmed += u64::from(finding.state == FindingState::Confirmed);
        if matches!(finding.state, FindingState::Dismissed | FindingState::Lapsed) {
            return;
        }
        let (first, last) = (finding.first_seen(), finding.last_seen());
        let (from, until) = self.seen.unwrap_or((first, last));
        self.seen = Some((from.min(first), until.max(last)));
        self.charged.extend(exposure.charged);
        self.exposures.push(exposure.clone());
    }

    /// What they come to.
    pub(super) fn line(self, site: &str, meter: &str) -> AccountLine {
        let tariff = self.exposures.iter().find_map(|one| one.tariff.as_ref());
        let tariff = tariff.map(|(_, tariff)| tariff.clone());
        let all_stated = self.exposures.iter().all(|one| one.stated.is_some());
        let mut stated = self.exposures.iter().filter_map(|one| one.stated.as_ref());
        let charged = (!self.charged.is_empty()).then(|| together(self.charged));
        let energy = match (&tariff, charged) {
            (Some(tariff), Some(charged)) if all_stated && tariff.scope == Scope::WholeAccount => {
                // The nodes are those of the account for each of them.
                let watts = stated.map(|one| one.watts).max().unwrap_or(Watts::from_milli(0));
                Some(watts.energy_over(charged))
            }
            (Some(_), Some(_)) if all_stated => {
                let first = stated.next().map(|one| one.energy).unwrap_or_default();
                Some(stated.fold(first, |sum, one| sum.saturating_add(one.energy)))
            }
            _ => None,
        };
        let amount =
            tariff.as_ref().zip(energy).map(|(tariff, energy)| tariff.amount_micro(energy));
        let unknown: BTreeSet<&str> =
            self.exposures.iter().map(|one| one.unknown.as_str()).collect();
        let unknown = unknown.into_iter().collect::<Vec<_>>().join("; ");
        AccountLine {
            site: text(site),
            meter: text(meter),
            findings: self.findings,
            undecided: self.undecided,
            confirmed: self.confirmed,
            first_seen: self.seen.and_then(|(first, _)| when(first)),
            last_seen: self.seen.and_then(|(_, last)| when(last)),
            charged_ms: charged.map(Span::as_millis),
            energy_mwh: None,
            amount_micro: None,
            currency: tariff.map(|tariff| tariff.currency),
            stated_energy_mwh: energy.map(WattHours::as_milli),
            stated_amount_micro: amount,
            unknown: text(&unknown),
        }
    }
}

/// How long some times are that may overlap, each moment counted once.
fn together(mut times: Vec<(Timestamp, Timestamp)>) -> Span {
    times.sort_unstable();
    let mut sum = 0;
    let mut reached = None;
    for (from, until) in times {
        let from = reached.map_or(from, |reached: Timestamp| from.max(reached));
        sum += until.since(from).as_millis();
        reached = Some(reached.map_or(until, |reached: Timestamp| reached.max(until)));
    }
    Span::from_millis(sum)
}
