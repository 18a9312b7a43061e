//! The policy of the demo: the built-in one, with a site and a surcharge that are made up.

use repower_core::policy::DEFAULT;

/// The metering account that feeds all nodes of the demo.
pub(super) const ACCOUNT: &str = "D-1";
/// What each of them is declared to draw at most, in watts.
pub(super) const WATTS: u64 = 150;

const MORE: &str = r#"
# Made up for the demo, so that a finding has something to be reckoned with.
[site]
operator = "the demo of Repower"
account = "D-1"
meter-point = "D-1-A"

[tariff.DEMO]
currency = "CNY"
surcharge-micro-per-kwh = 500000       # 0.50 for a kilowatt-hour
scope = "whole-account"
since = "first-seen"
rule = "made up for the demo"
"#;

/// Its text.
pub(super) fn text() -> String {
    let named = DEFAULT.replace("policy-version = \"default-", "policy-version = \"demo-");
    let placed = named.replacen("format = 1\n", "format = 1\njurisdictions = [\"DEMO\"]\n", 1);
    format!("{placed}{MORE}")
}

#[cfg(test)]
mod tests {
    use repower_core::policy::Policy;

    use super::*;

    #[test]
    fn the_policy_of_the_demo_is_one_and_has_a_surcharge_on_the_whole_account() {
        let policy = Policy::parse(&text()).unwrap();

        assert!(policy.version.starts_with("demo-"), "{}", policy.version);
        assert_eq!(policy.surcharge().map(|(name, _)| name), Some("DEMO"));
        assert_eq!(policy.site["account"], ACCOUNT);
        assert_eq!(policy.classes.len(), Policy::parse(DEFAULT).unwrap().classes.len());
    }
}
