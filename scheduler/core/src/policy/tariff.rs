//! What electricity costs more where work turns out to be what the policy prohibits.
//!
//! Only what a report of exposure needs: prices by the hour are not here.

use repower_model::{Timestamp, WattHours};
use serde::Deserialize;

use super::calendar::{ahead, beginning, month_of};
use super::catalogue::is_date;

/// What a surcharge is charged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything that the meter of the account has counted.
    WholeAccount,
    /// What the work in question has used.
    Share,
}

impl Scope {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WholeAccount => "whole-account",
            Self::Share => "share",
        }
    }
}

/// From when on a surcharge is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// From the time at which it was first seen.
    #[default]
    FirstSeen,
    /// From the beginning of the month in which it was first seen.
    Month,
}

impl Since {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstSeen => "first-seen",
            Self::Month => "month",
        }
    }
}

/// A surcharge of a jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// The currency, by its three letters (ISO 4217).
    pub currency: String,
    /// Millionths of the currency's unit for each kilowatt-hour, over the normal price.
    pub surcharge_micro_per_kwh: u64,
    /// What it is charged on.
    pub scope: Scope,
    /// From when on.
    pub since: Since,
    /// How many minutes the calendar of the place is ahead of UTC: months and days begin by it.
    pub ahead_minutes: i32,
    /// The rule that says so; may be empty.
    pub rule: String,
    /// From when on the rule is in force, `YYYY-MM-DD`; may be empty.
    pub effective: String,
    /// Its last day, `YYYY-MM-DD`; empty: none is known.
    pub until: String,
}

/// A table `[tariff.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TariffTable {
    currency: String,
    surcharge_micro_per_kwh: u64,
    scope: Scope,
    #[serde(default)]
    since: Since,
    #[serde(default)]
    utc_offset: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    effective: String,
    #[serde(default)]
    until: String,
}

pub(super) const KEYS: [&str; 8] = [
    "tariff",
    "currency",
    "surcharge-micro-per-kwh",
    "scope",
    "since",
    "utc-offset",
    "rule",
    "until",
];

/// A thousand units of any currency for a kilowatt-hour: a slip of the pen.
const MOST_MICRO: u64 = 1_000_000_000;

impl TariffTable {
    pub(super) fn read(self) -> Result<Tariff, &'static str> {
        let letters = self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if self.currency.len() != 3 || !letters {
            return Err("`currency` is three capital letters, like CNY or EUR");
        }
        if self.surcharge_micro_per_kwh > MOST_MICRO {
            return Err("`surcharge-micro-per-kwh` is at most 1000000000 millionths");
        }
        let is_day = |text: &String| text.is_empty() || is_date(text);
        if !is_day(&self.effective) || !is_day(&self.until) {
            return Err("`effective` and `until` are dates like 2024-02-01");
        }
        if !self.until.is_empty() && self.until < self.effective {
            return Err("`until` is before `effective`");
        }
        let ahead_minutes = match self.utc_offset.as_str() {
            "" => 0,
            text => ahead(text).ok_or("`utc-offset` is a distance from UTC like +08:00")?,
        };
        let Self {
            currency, surcharge_micro_per_kwh, scope, since, rule, effective, until, ..
        } = self;
        Ok(Tariff {
            currency,
            surcharge_micro_per_kwh,
            scope,
            since,
            ahead_minutes,
            rule,
            effective,
            until,
        })
    }
}

impl Tariff {
    /// What so much energy costs more, in millionths of the currency's unit, rounded up.
    pub fn amount_micro(&self, energy: WattHours) -> u64 {
        /// Thousandths of a watt-hour in a kilowatt-hour.
        const KILOWATT_HOUR: u128 = 1_000_000;
        let all = u128::from(energy.as_milli()) * u128::from(self.surcharge_micro_per_kwh);
        u64::try_from(all.div_ceil(KILOWATT_HOUR)).unwrap_or(u64::MAX)
    }

    /// The time that is charged for what was seen from `first` up to `end`, as far as the rule was
    /// in force; `None`: it was not.
    pub fn charged(&self, first: Timestamp, end: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let from = match self.since {
            Since::FirstSeen => first,
            Since::Month => month_of(first, self.ahead_minutes),
        };
        let since = beginning(&self.effective, self.ahead_minutes);
        let until = super::calendar::end(&self.until, self.ahead_minutes);
        let from = since.map_or(from, |since| from.max(since));
        let end = until.map_or(end, |until| end.min(until));
        (from <= end).then_some((from, end))
    }
}
