//! What findings can cost: to the wire only.

use repower_core::policy::Exposure;

use crate::v1;

impl From<Exposure> for v1::Exposure {
    fn from(one: Exposure) -> Self {
        let (formula, basis) = (one.formula(), one.basis());
        let stated = one.stated.map(|stated| v1::StatedExposure {
            milliwatts: stated.watts.as_milli(),
            nodes: stated.nodes,
            energy_mwh: stated.energy.as_milli(),
            amount_micro: stated.amount_micro,
            basis,
        });
        let tariff = one.tariff.as_ref();
        let text = |of: Option<&str>| of.unwrap_or_default().to_owned();
        Self {
            energy_mwh: one.energy.map(repower_model::WattHours::as_milli),
            surcharge_micro_per_kwh: tariff.map(|(_, tariff)| tariff.surcharge_micro_per_kwh),
            amount_micro: one.amount_micro,
            scope: text(tariff.map(|(_, tariff)| tariff.scope.as_str())),
            unknown: one.unknown,
            currency: text(tariff.map(|(_, tariff)| tariff.currency.as_str())),
            jurisdiction: text(tariff.map(|(name, _)| name.as_str())),
            rule: text(tariff.map(|(_, tariff)| tariff.rule.as_str())),
            from_ms: one.charged.map(|(from, _)| from.as_millis()),
            until_ms: one.charged.map(|(_, until)| until.as_millis()),
            formula,
            stated,
        }
    }
}
