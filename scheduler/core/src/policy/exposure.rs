//! What a finding can cost, if it is true: the surcharge on the energy that is charged for it.
//!
//! Whole numbers throughout. What is not known is `None` and has its reason; nothing stands in for a
//! meter. What the operator of the nodes declares that they draw gives a figure of its own, beside the
//! unknown one and never in its place.

mod declared;

use repower_model::{Finding, FindingState, Timestamp, WattHours, Watts};

use super::{Policy, Scope, Tariff};

pub use declared::{Declared, Labels};

/// What a finding can cost, if it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The surcharge that would be charged, with its jurisdiction.
    pub tariff: Option<(String, Tariff)>,
    /// The time that would be charged for.
    pub charged: Option<(Timestamp, Timestamp)>,
    /// What a meter has counted in it.
    pub energy: Option<WattHours>,
    /// The surcharge on that, in millionths of the currency's unit.
    pub amount_micro: Option<u64>,
    /// The same by what is declared of the nodes.
    pub stated: Option<Stated>,
    /// Why something is not known; empty: all is.
    pub unknown: String,
}

/// A figure by what the operator declares that nodes draw: an upper one for these nodes, and none for
/// what else is on the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// What the nodes draw at most.
    pub watts: Watts,
    /// How many nodes.
    pub nodes: u32,
    /// At that power for the time that would be charged for, rounded up.
    pub energy: WattHours,
    /// The surcharge on that, rounded up.
    pub amount_micro: u64,
}

impl Exposure {
    /// What can be said of a finding whose end is `end`: the last sign of it, or the present if its
    /// task goes on.
    pub fn of(
        policy: Option<&Policy>,
        finding: &Finding,
        declared: &Declared,
        end: Timestamp,
    ) -> Self {
        if let Some(why) = free(finding) {
            return Self::unknown(why);
        }
        let Some((name, tariff)) = policy.and_then(Policy::surcharge) else {
            return Self::unknown("the policy in force has no tariff for its jurisdictions");
        };
        let known = Some((name.to_owned(), tariff.clone()));
        let Some(charged) = tariff.charged(finding.first_seen(), end) else {
            let why = "the rule of the tariff was not in force when it was seen";
            return Self { tariff: known, ..Self::unknown(why) };
        };
        let (watts, why) = match tariff.scope {
            Scope::WholeAccount => declared.account(finding),
            Scope::Share => declared.share(finding),
        };
        let stated = watts.map(|(watts, nodes)| {
            let energy = watts.energy_over(charged.1.since(charged.0));
            Stated { watts, nodes, energy, amount_micro: tariff.amount_micro(energy) }
        });
        let charged = Some(charged);
        let (energy, amount_micro) = (None, None);
        Self { tariff: known, charged, energy, amount_micro, stated, unknown: why }
    }

    fn unknown(why: &str) -> Self {
        Self {
            tariff: None,
            charged: None,
            energy: None,
            amount_micro: None,
            stated: None,
            unknown: why.to_owned(),
        }
    }

    /// How it is reckoned, with the figures that are known; empty without a tariff.
    pub fn formula(&self) -> String {
        let Some((_, tariff)) = &self.tariff else { return String::new() };
        let what = match tariff.scope {
            Scope::WholeAccount => "all that the account has used",
            Scope::Share => "what the task has used",
        };
        let (currency, price) = (&tariff.currency, money(tariff.surcharge_micro_per_kwh));
        let energy = self.energy.map_or("unknown".to_owned(), |energy| energy.to_string());
        let amount = self
            .amount_micro
            .map_or("unknown".to_owned(), |micro| format!("{} {currency}", money(micro)));
        format!("{what} ({energy}) x {price} {currency} a kWh = {amount}")
    }

    /// How the figure by declared power is reckoned; empty if there is none.
    pub fn basis(&self) -> String {
        let (Some((_, tariff)), Some(stated), Some((from, end))) =
            (&self.tariff, &self.stated, self.charged)
        else {
            return String::new();
        };
        let Stated { watts, nodes, energy, amount_micro } = stated;
        let (currency, price) = (&tariff.currency, money(tariff.surcharge_micro_per_kwh));
        let (span, amount) = (end.since(from), money(*amount_micro));
        let (who, rest) = match tariff.scope {
            Scope::WholeAccount if *nodes == 1 => {
                ("1 node on the account".to_owned(), ", and without what else is on the account")
            }
            Scope::WholeAccount => (
                format!("{nodes} nodes on the account"),
                ", and without what else is on the account",
            ),
            Scope::Share => ("its node".to_owned(), ""),
        };
        format!(
            "at most {watts} declared by {who} x {span} = {energy}, x {price} {currency} a kWh = {amount} {currency}, rounded up; declared and not measured{rest}"
        )
    }
}

/// Why nothing would be charged, whatever the tariff.
fn free(finding: &Finding) -> Option<&'static str> {
    match finding.state {
        FindingState::Dismissed => return Some("it was dismissed: a person has found it wrong"),
        FindingState::Lapsed => return Some("it has lapsed: it was no more than a question"),
        FindingState::Open
        | FindingState::UnderReview
        | FindingState::Confirmed
        | FindingState::Appealed => {}
    }
    finding.rank.is_none().then_some("nothing of it has run")
}

/// An amount in millionths of a unit, with all of its digits.
pub fn money(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

#[cfg(test)]
mod tests {
    use repower_model::{
        AttemptId, FindingId, FindingSource, Hash, JobId, METER, NodeId, Response, Span, TaskId,
        Verdict, WATTS,
    };

    use super::*;

    const POLICY: &str = "policy-version = \"1\"\njurisdictions = [\"CN-ZJ\"]\n\
        [class.a]\ntier = \"permitted\"\n[tariff.CN-ZJ]\ncurrency = \"CNY\"\n\
        surcharge-micro-per-kwh = 500000\nscope = \"whole-account\"\n";

    fn policy(more: &str) -> Policy {
        Policy::parse(&format!("{POLICY}{more}")).unwrap()
    }

    /// 2026-11-22 20:00 in UTC.
    const SEEN: Timestamp = Timestamp::from_millis(1_795_377_600_000);

    fn finding(meter: &str) -> Finding {
        let task = TaskId { job: JobId(1), index: 0 };
        let verdict = Verdict {
            rule: "registers.rounding-modes".into(),
            version: 1,
            tier: 1,
            mechanism: "registers".into(),
            first_seen: SEEN,
            last_seen: SEEN,
            times: 1,
            detail: String::new(),
        };
        Finding {
            job: Some(task.job),
            rank: Some(AttemptId { task, number: 1 }.rank(0)),
            node: Some(NodeId(2)),
            node_name: "n2".into(),
            meter: meter.into(),
            class: "a".into(),
            verdicts: vec![verdict],
            response: Response::Freeze,
            ..Finding::new(FindingId(1), FindingSource::Task, SEEN, Hash([0; 32]))
        }
    }

    fn declared(nodes: &[(u32, &str, &str)]) -> Declared {
        let labels = nodes.iter().map(|(node, meter, watts)| {
            let all = [(METER, *meter), (WATTS, *watts)];
            let said = all.iter().filter(|(_, value)| !value.is_empty());
            let said = said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            (NodeId(*node), said.collect::<Vec<_>>())
        });
        let labels: Vec<_> = labels.collect();
        Declared::of(labels.iter().map(|(node, labels)| (*node, labels.as_slice())))
    }

    #[test]
    fn without_a_meter_the_amount_is_unknown_and_what_is_declared_gives_an_upper_figure() {
        let nodes = declared(&[(1, "M-1", "300"), (2, "M-1", "450"), (3, "M-2", "9000")]);
        let hour = Span::from_secs(3600);

        let found = Exposure::of(Some(&policy("")), &finding("M-1"), &nodes, SEEN + hour);

        assert_eq!((found.energy, found.amount_micro), (None, None), "and never zero");
        assert_eq!(found.unknown, "no meter of account M-1 is read");
        let stated = found.stated.clone().unwrap();
        assert_eq!((stated.watts, stated.nodes), (Watts::from_whole(750), 2));
        assert_eq!((stated.energy, stated.amount_micro), (WattHours::from_milli(750_000), 375_000));
        assert_eq!(
            found.formula(),
            "all that the account has used (unknown) x 0.500000 CNY a kWh = unknown"
        );
        assert_eq!(
            found.basis(),
            "at most 750 W declared by 2 nodes on the account x 1h 0m = 0.750000 kWh, x 0.500000 CNY a kWh = 0.375000 CNY, rounded up; declared and not measured, and without what else is on the account"
        );
    }

    #[test]
    fn what_is_not_known_says_why_and_has_no_figure() {
        let all = declared(&[(1, "M-1", ""), (2, "M-1", "450")]);
        let why = |policy: Option<&Policy>, finding: &Finding| {
            let found = Exposure::of(policy, finding, &all, SEEN);
            assert_eq!((&found.stated, found.amount_micro), (&None, None));
            found.unknown
        };
        let own = policy("");
        let nothing = Policy::parse(crate::policy::DEFAULT).unwrap();

        assert_eq!(
            why(Some(&own), &finding("M-1")),
            "no meter of account M-1 is read, and 1 of its 2 nodes declare no `watts`"
        );
        assert_eq!(
            why(Some(&own), &finding("")),
            "node n2 names no metering account (label `meter`)"
        );
        let no_tariff = "the policy in force has no tariff for its jurisdictions";
        assert_eq!(why(Some(&nothing), &finding("M-1")), no_tariff);
        assert_eq!(why(None, &finding("M-1")), no_tariff);
        let dismissed = Finding { state: FindingState::Dismissed, ..finding("M-1") };
        assert!(why(Some(&own), &dismissed).starts_with("it was dismissed"));
        let refused = Finding { rank: None, ..finding("M-1") };
        assert_eq!(why(Some(&own), &refused), "nothing of it has run");
        let over = policy("effective = \"2022-02-01\"\nuntil = \"2025-12-31\"\n");
        assert!(why(Some(&over), &finding("M-1")).contains("was not in force"));
    }

    #[test]
    fn a_share_is_that_of_the_node_and_a_month_begins_where_the_meter_is() {
        let nodes = declared(&[(1, "M-1", "300"), (2, "M-1", "450")]);
        let text = POLICY.replace("whole-account", "share");
        let share = Policy::parse(&format!(
            "{text}since = \"month\"\nutc-offset = \"+08:00\"\neffective = \"2022-02-01\"\n"
        ));

        let found = Exposure::of(Some(&share.unwrap()), &finding("M-1"), &nodes, SEEN);

        // The first of November, 00:00 there, is 22 days and 4 hours before.
        let span = Span::from_secs((22 * 24 + 4) * 3600);
        assert_eq!(found.charged, Some((SEEN.before(span), SEEN)));
        let stated = found.stated.unwrap();
        assert_eq!((stated.watts, stated.nodes), (Watts::from_whole(450), 1));
        assert_eq!(stated.energy, Watts::from_whole(450).energy_over(span));
        assert_eq!(found.unknown, "nothing meters a single task");
    }

    #[test]
    fn money_is_exact_and_the_last_millionth_is_rounded_up() {
        let (_, tariff) =
            policy("").surcharge().map(|(name, one)| (name.to_owned(), one.clone())).unwrap();

        assert_eq!(tariff.amount_micro(WattHours::from_milli(1_000_000)), 500_000);
        assert_eq!(tariff.amount_micro(WattHours::from_milli(1)), 1, "half a millionth");
        assert_eq!(tariff.amount_micro(WattHours::default()), 0);
        assert_eq!(money(1_500_001), "1.500001");
    }
}
