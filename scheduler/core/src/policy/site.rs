//! What is said of the site, for reports: texts that nothing is decided by.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The table `[site]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SiteTable {
    operator: String,
    address: String,
    account: String,
    meter_point: String,
    transformer: String,
    tariff_class: String,
    it_kilowatts: String,
    in_operation_since: String,
    racks: String,
}

/// What a policy can say of the site, in the order of reports.
pub const SITE: [&str; 9] = [
    "operator",
    "address",
    "account",
    "meter-point",
    "transformer",
    "tariff-class",
    "it-kilowatts",
    "in-operation-since",
    "racks",
];

/// The longest text, in bytes.
const LONGEST: usize = 300;

impl SiteTable {
    /// What is said, by its keys; what is not said is not there.
    pub(super) fn read(self) -> Result<BTreeMap<String, String>, &'static str> {
        let Self {
            operator,
            address,
            account,
            meter_point,
            transformer,
            tariff_class,
            it_kilowatts,
            in_operation_since,
            racks,
        } = self;
        let texts = [
            operator,
            address,
            account,
            meter_point,
            transformer,
            tariff_class,
            it_kilowatts,
            in_operation_since,
            racks,
        ];
        if texts.iter().any(|text| text.len() > LONGEST || text.chars().any(char::is_control)) {
            return Err("a text of `[site]` has at most 300 bytes and no control characters");
        }
        let said = SITE.iter().map(|key| (*key).to_owned()).zip(texts);
        Ok(said.filter(|(_, text)| !text.is_empty()).collect())
    }
}
