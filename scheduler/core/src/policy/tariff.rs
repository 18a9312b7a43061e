//! What electricity costs more where work turns out to be what the policy prohibits.
//!
//! Only what a report of exposure needs: prices by the hour are not here.

use serde::Deserialize;

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
    rule: String,
    #[serde(default)]
    effective: String,
    #[serde(default)]
    until: String,
}

pub(super) const KEYS: [&str; 7] =
    ["tariff", "currency", "surcharge-micro-per-kwh", "scope", "since", "rule", "until"];

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
        let Self { currency, surcharge_micro_per_kwh, scope, since, rule, effective, until } = self;
        Ok(Tariff { currency, surcharge_micro_per_kwh, scope, since, rule, effective, until })
    }
}
