//! Catalogues of jurisdictions, and under which of their entries classes fall.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A catalogue of a jurisdiction, in one edition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Whose it is; may be empty.
    pub jurisdiction: String,
    /// Its title and edition.
    pub edition: String,
    /// From when on it is in force, `YYYY-MM-DD`; may be empty.
    pub effective: String,
}

/// A catalogue with the entries under which classes fall.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Entries by class.
    pub entries: BTreeMap<String, String>,
}

/// Names, and at which byte of the text each stands.
pub(super) type Places = Vec<(String, usize)>;

/// The table `[catalogue]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct CatalogueTable {
    jurisdiction: String,
    edition: String,
    effective: String,
}

/// A table `[mapping.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MappingTable {
    jurisdiction: String,
    edition: String,
    #[serde(default)]
    effective: String,
    #[serde(default)]
    class: BTreeMap<Spanned<String>, String>,
}

pub(super) const KEYS: [&str; 5] =
    ["jurisdictions", "mapping", "jurisdiction", "edition", "effective"];

impl CatalogueTable {
    pub(super) fn read(self) -> Result<Catalogue, &'static str> {
        let Self { jurisdiction, edition, effective } = self;
        checked(Catalogue { jurisdiction, edition, effective })
    }
}

impl MappingTable {
    /// What the table says, and where the names of its classes stand.
    pub(super) fn read(self) -> Result<(Mapping, Places), &'static str> {
        let Self { jurisdiction, edition, effective, class } = self;
        if jurisdiction.trim().is_empty() || edition.trim().is_empty() {
            return Err("a mapping names its `jurisdiction` and the `edition` of its catalogue");
        }
        let catalogue = checked(Catalogue { jurisdiction, edition, effective })?;
        let names = class.keys().map(|name| (name.get_ref().clone(), name.span().start)).collect();
        let entries = class.into_iter().map(|(name, entry)| (name.into_inner(), entry)).collect();
        Ok((Mapping { catalogue, entries }, names))
    }
}

fn checked(catalogue: Catalogue) -> Result<Catalogue, &'static str> {
    if !catalogue.effective.is_empty() && !is_date(&catalogue.effective) {
        return Err("`effective` is not a date like 2024-02-01");
    }
    Ok(catalogue)
}

/// Whether a text is a date like 2024-02-01.
pub(super) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |part: &str, digits: usize| {
        let all = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| part.parse::<u32>().unwrap_or(0))
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_one_of_the_calendar() {
        for good in ["2024-02-29", "2021-12-27", "2000-02-29"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["2023-02-29", "2024-13-01", "2024-00-01", "2024-1-1", "1900-02-29", "soon", ""]
        {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
