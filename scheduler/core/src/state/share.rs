//! What projects hold, and have held: the base of fair share.

use std::collections::BTreeMap;

use repower_model::{Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

/// What projects hold, and have held.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Shares {
    projects: BTreeMap<String, Share>,
}

/// What one project holds, and has held.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Share {
    /// What its tasks hold now.
    pub held: Resources,
    /// How much of the cell that is, in the dimension in which it is most: 0 to 1.
    pub dominant: f64,
    /// The mean of `dominant` over the past, in which a time counts half for each half-life that
    /// it is back.
    average: f64,
    at: Timestamp,
}

/// Projects with less than this are forgotten when they hold nothing.
const FORGOTTEN: f64 = 1e-4;

impl Shares {
    /// What a project holds now.
    pub fn held(&self, project: &str) -> Option<&Resources> {
        self.projects.get(project).map(|share| &share.held)
    }

    /// A project's mean part of the cell until `now`.
    pub fn average(&self, project: &str, now: Timestamp, half_life: Span) -> f64 {
        self.projects.get(project).map_or(0.0, |share| share.average_at(now, half_life))
    }

    /// What a project holds and has held, as one number: who has less goes first.
    pub fn of(&self, project: &str, now: Timestamp, half_life: Span) -> f64 {
        let share = self.projects.get(project);
        share.map_or(0.0, |share| share.dominant + share.average_at(now, half_life))
    }

    /// Projects that hold or have held anything that still counts.
    pub fn projects(&self) -> impl Iterator<Item = (&str, &Share)> {
        self.projects.iter().map(|(name, share)| (name.as_str(), share))
    }

    /// A project's tasks hold something else from now on.
    pub(crate) fn change(&mut self, project: &str, now: Timestamp, change: &Change<'_>) {
        if !self.projects.contains_key(project) {
            self.projects.insert(project.to_owned(), Share { at: now, ..Share::default() });
        }
        let share = self.projects.get_mut(project).expect("it has just been put there");
        share.average = share.average_at(now, change.half_life);
        share.at = now;
        share.held = match change.amounts {
            Amounts::Taken(amounts) => share.held.plus(amounts),
            Amounts::Given(amounts) => share.held.less(amounts),
        };
        share.dominant = share.held.part_of(change.total);
        if share.held == Resources::default() && share.average < FORGOTTEN {
            self.projects.remove(project);
        }
    }
}

/// How what a project holds changes.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) amounts: &'a Amounts<'a>,
    /// What all nodes have together.
    pub(crate) total: &'a Resources,
    pub(crate) half_life: Span,
}

/// Amounts that are taken or given back.
#[derive(Debug)]
pub(crate) enum Amounts<'a> {
    Taken(&'a Resources),
    Given(&'a Resources),
}

impl Share {
    fn average_at(&self, now: Timestamp, half_life: Span) -> f64 {
        let left = left_after(now.since(self.at), half_life);
        self.average * left + self.dominant * (1.0 - left)
    }
}

/// How much counts after a time: half for each half-life, and a straight line in between, so that
/// it is the same on every machine.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of years are exact")]
fn left_after(passed: Span, half_life: Span) -> f64 {
    let whole = half_life.as_millis().max(1);
    let halvings = passed.as_millis() / whole;
    if halvings > 60 {
        return 0.0;
    }
    let rest = (passed.as_millis() % whole) as f64 / whole as f64;
    (1.0 - rest / 2.0) / (1_u64 << halvings) as f64
}

#[cfg(test)]
mod tests {
    use repower_model::Cpus;

    use super::*;

    fn cpus(count: u64) -> Resources {
        Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
    }

    #[test]
    fn what_was_used_counts_half_after_a_half_life_and_is_forgotten_at_last() {
        let half_life = Span::from_secs(1000);
        let at = |secs: i64| Timestamp::from_millis(secs * 1000);
        let (total, all) = (cpus(10), cpus(10));
        let mut shares = Shares::default();
        let mut change = |amounts, now| {
            shares.change("a", now, &Change { amounts: &amounts, total: &total, half_life });
            shares.of("a", now, half_life)
        };

        let first = change(Amounts::Taken(&all), at(0));
        let later = change(Amounts::Given(&all), at(1000));

        assert!((first - 1.0).abs() < 1e-9, "{first}");
        assert!((later - 0.5).abs() < 1e-9, "{later}");
        assert!((shares.of("a", at(2000), half_life) - 0.25).abs() < 1e-9);
        assert!(shares.of("a", at(100_000), half_life) < 1e-9);
    }
}
