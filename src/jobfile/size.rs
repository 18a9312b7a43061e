//! Sizes: `512MiB`, `4G`, `1.5GB`.

use std::fmt;
use std::str::FromStr;

use super::number::{Decimal, NumberError, split};

/// A number of bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    bytes: u64,
}

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The part before the unit is not a number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A unit that is not known.
    #[error("`{unit}` is not a unit of size: write {number}MiB, {number}G or {number}GB")]
    Unit {
        /// The number before it.
        number: String,
        /// What was written.
        unit: String,
    },
    /// No unit: thousands of one unit and of another are far apart.
    #[error("`{0}` has no unit: write {0}MiB, {0}G or {0}GB")]
    Bare(String),
    /// Zero bytes.
    #[error("`{0}` is nothing; the least is 1 byte")]
    Zero(String),
    /// Beyond 64 bits.
    #[error("`{0}` is more than 16 EiB, the most that can be counted")]
    TooLarge(String),
}

impl Size {
    /// Returns the number of bytes, at least 1.
    pub fn as_bytes(self) -> u64 {
        self.bytes
    }
}

/// Returns the bytes of one unit: powers of 1024, but of 1000 where a B follows without an i.
fn unit_bytes(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    let (power, base) = match lower.as_str() {
        "b" => (0, 1024),
        "k" | "ki" | "kib" => (1, 1024),
        "m" | "mi" | "mib" => (2, 1024),
        "g" | "gi" | "gib" => (3, 1024),
        "t" | "ti" | "tib" => (4, 1024),
        "p" | "pi" | "pib" => (5, 1024),
        "kb" => (1, 1000),
        "mb" => (2, 1000),
        "gb" => (3, 1000),
        "tb" => (4, 1000),
        "pb" => (5, 1000),
        _ => return None,
    };
    Some(u64::pow(base, power))
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let (number, unit) = split(text.trim());
        let value: Decimal = number.parse().map_err(|error| match error {
            NumberError::Malformed(_) => NumberError::Malformed(text.to_owned()),
            error @ NumberError::TooLong(_) => error,
        })?;
        if unit.is_empty() {
            return Err(SizeError::Bare(number.to_owned()));
        }
        let unit_bytes = unit_bytes(unit)
            .ok_or_else(|| SizeError::Unit { number: number.to_owned(), unit: unit.to_owned() })?;
        match value.times(unit_bytes) {
            None => Err(SizeError::TooLarge(text.to_owned())),
            Some(0) => Err(SizeError::Zero(text.to_owned())),
            Some(bytes) => Ok(Self { bytes }),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&crate::render::quantity::bytes(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(text: &str) -> Result<u64, String> {
        text.parse::<Size>().map(Size::as_bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_letter_alone_or_with_an_i_counts_by_1024_and_a_b_alone_by_1000() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("4G"), Ok(4 << 30));
        assert_eq!(size("4g"), Ok(4 << 30));
        assert_eq!(size("4 GiB"), Ok(4 << 30));
        assert_eq!(size("4GB"), Ok(4_000_000_000));
        assert_eq!(size("1.5Ki"), Ok(1536));
        assert_eq!(size("100B"), Ok(100));
    }

    #[test]
    fn a_part_of_a_byte_counts_as_a_whole_one() {
        assert_eq!(size("0.1K"), Ok(103));
    }

    #[test]
    fn a_bad_size_says_what_is_wrong_with_it() {
        assert_eq!(size("4X"), Err("`X` is not a unit of size: write 4MiB, 4G or 4GB".into()));
        assert_eq!(size("4"), Err("`4` has no unit: write 4MiB, 4G or 4GB".into()));
        assert_eq!(size("G"), Err("`G` is not a number".into()));
        assert_eq!(size("-4G"), Err("`-4G` is not a number".into()));
        assert_eq!(size("0G"), Err("`0G` is nothing; the least is 1 byte".into()));
        assert_eq!(
            size("99999999P"),
            Err("`99999999P` is more than 16 EiB, the most that can be counted".into())
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            drop(size(&text));
        }

        #[test]
        fn whole_bytes_are_kept(bytes in 1_u64..) {
            prop_assert_eq!(size(&format!("{bytes}B")), Ok(bytes));
        }
    }
}
