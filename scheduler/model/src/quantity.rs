//! One type a dimension, integers inside.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Span;

/// Processors, in thousandths.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Cpus {
    milli: u64,
}

impl Cpus {
    /// `milli` thousandths of a processor.
    pub const fn from_milli(milli: u64) -> Self {
        Self { milli }
    }

    /// Whole processors.
    pub const fn from_whole(count: u64) -> Self {
        Self { milli: count.saturating_mul(1000) }
    }

    /// In thousandths of a processor.
    pub const fn as_milli(self) -> u64 {
        self.milli
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, milli) = (self.milli / 1000, self.milli % 1000);
        if milli == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{milli:03}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// An amount of memory or disk.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Bytes {
    bytes: u64,
}

impl Bytes {
    /// `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self { bytes }
    }

    /// `mib` times 2^20 bytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self { bytes: mib.saturating_mul(1 << 20) }
    }

    /// `gib` times 2^30 bytes.
    pub const fn from_gib(gib: u64) -> Self {
        Self { bytes: gib.saturating_mul(1 << 30) }
    }

    /// In bytes.
    pub const fn as_u64(self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Bytes {
    /// With the largest binary unit that leaves at least 1, and one decimal if it is not whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut unit = 0;
        while unit + 1 < units.len() && self.bytes >> (10 * (unit + 1)) > 0 {
            unit += 1;
        }
        let (size, name) = (1_u128 << (10 * unit), units[unit]);
        let tenths = u128::from(self.bytes) * 10 / size;
        match tenths % 10 {
            0 => write!(f, "{} {name}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {name}", tenths / 10),
        }
    }
}

/// Power, in thousandths of a watt.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Watts {
    milli: u64,
}

impl Watts {
    /// `milli` thousandths of a watt.
    pub const fn from_milli(milli: u64) -> Self {
        Self { milli }
    }

    /// Whole watts.
    pub const fn from_whole(count: u64) -> Self {
        Self { milli: count.saturating_mul(1000) }
    }

    /// In thousandths of a watt.
    pub const fn as_milli(self) -> u64 {
        self.milli
    }

    /// With more.
    #[must_use]
    pub const fn saturating_add(self, more: Self) -> Self {
        Self { milli: self.milli.saturating_add(more.milli) }
    }

    /// Energy at this power for `span`, rounded up to a thousandth of a watt-hour.
    pub fn energy_over(self, span: Span) -> WattHours {
        /// Thousandths of a watt for a millisecond that make a thousandth of a watt-hour.
        const PART: u128 = 3_600_000;
        let all = u128::from(self.milli) * u128::from(span.as_millis());
        WattHours { milli: u64::try_from(all.div_ceil(PART)).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Watts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} W", Cpus::from_milli(self.milli))
    }
}

/// Energy, in thousandths of a watt-hour.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct WattHours {
    milli: u64,
}

impl WattHours {
    /// `milli` thousandths of a watt-hour.
    pub const fn from_milli(milli: u64) -> Self {
        Self { milli }
    }

    /// In thousandths of a watt-hour.
    pub const fn as_milli(self) -> u64 {
        self.milli
    }

    /// With more.
    #[must_use]
    pub const fn saturating_add(self, more: Self) -> Self {
        Self { milli: self.milli.saturating_add(more.milli) }
    }
}

impl fmt::Display for WattHours {
    /// In kilowatt-hours, with all that is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} kWh", self.milli / 1_000_000, self.milli % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_show_the_unit_that_a_person_would_use() {
        assert_eq!(Cpus::from_milli(500).to_string(), "0.5");
        assert_eq!(Cpus::from_whole(16).to_string(), "16");
        assert_eq!(Bytes::from_gib(4).to_string(), "4 GiB");
        assert_eq!(Bytes::from_mib(1536).to_string(), "1.5 GiB");
        assert_eq!(Bytes::new(999).to_string(), "999 B");
        assert_eq!(Bytes::new(u64::MAX).to_string(), "16383.9 PiB");
    }

    #[test]
    fn energy_is_power_over_time_and_never_rounded_away() {
        let energy = |watts, span| Watts::from_whole(watts).energy_over(span);

        assert_eq!(energy(450, Span::from_secs(3600)), WattHours::from_milli(450_000));
        assert_eq!(energy(1, Span::from_millis(1)), WattHours::from_milli(1));
        assert_eq!(energy(0, Span::from_secs(9)), WattHours::default());
        assert_eq!(energy(450, Span::from_secs(36)).to_string(), "0.004500 kWh");
        assert_eq!(Watts::from_milli(1_500).to_string(), "1.5 W");
    }
}
