//! Decimal numbers as people write them, kept exact.

use std::str::FromStr;

/// Digits after the point that are read; more could not matter in any unit.
const DIGITS: usize = 9;

/// A number that is not negative, as digits and the place of the point: `1.25` is 125 and 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: u128,
    places: u32,
}

/// Why a text is not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Something else than digits and one point.
    #[error("`{0}` is not a number")]
    Malformed(String),
    /// More digits than are read.
    #[error("`{0}` has too many digits: at most 20 before the point and {DIGITS} after it")]
    TooLong(String),
}

impl Decimal {
    /// Returns the number times `unit`, rounded up to a whole; `None` beyond 64 bits.
    pub fn times(self, unit: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(unit))?;
        u64::try_from(product.div_ceil(10_u128.pow(self.places))).ok()
    }

    /// Returns the number times `unit` if that is whole and fits in 64 bits.
    pub fn exactly(self, unit: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(unit))?;
        let scale = 10_u128.pow(self.places);
        if product % scale == 0 { u64::try_from(product / scale).ok() } else { None }
    }
}

impl FromStr for Decimal {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || text.ends_with('.') {
            return Err(NumberError::Malformed(text.to_owned()));
        }
        let part = part.trim_end_matches('0');
        if whole.trim_start_matches('0').len() > 20 || part.len() > DIGITS {
            return Err(NumberError::TooLong(text.to_owned()));
        }
        let mut value: u128 = 0;
        for byte in whole.bytes().chain(part.bytes()) {
            value = value * 10 + u128::from(byte - b'0');
        }
        Ok(Self { digits: value, places: u32::try_from(part.len()).expect("at most nine digits") })
    }
}

/// Splits `4.5GiB` into the number and what follows it.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

/// A number of processors, in thousandths: `2`, `0.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus {
    milli: u64,
}

/// Why a text is not a number of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpusError {
    /// Not a number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Zero: nothing could run.
    #[error("a task asks for 0 cpus; the least is 0.001")]
    Zero,
    /// Not a whole number of thousandths.
    #[error("`{0}` cpus is finer than a thousandth, the least step")]
    TooFine(String),
    /// Beyond any machine.
    #[error("`{0}` cpus is more than can be counted")]
    TooMany(String),
}

impl Cpus {
    /// Returns thousandths of a processor, at least 1.
    pub fn as_milli(self) -> u64 {
        self.milli
    }
}

impl FromStr for Cpus {
    type Err = CpusError;

    fn from_str(text: &str) -> Result<Self, CpusError> {
        let number: Decimal = text.parse()?;
        if number.times(1000).is_none() {
            return Err(CpusError::TooMany(text.to_owned()));
        }
        match number.exactly(1000) {
            None => Err(CpusError::TooFine(text.to_owned())),
            Some(0) => Err(CpusError::Zero),
            Some(milli) => Ok(Self { milli }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(text: &str) -> Result<u64, String> {
        text.parse::<Cpus>().map(Cpus::as_milli).map_err(|error| error.to_string())
    }

    #[test]
    fn cpus_are_whole_thousandths() {
        assert_eq!(cpus("2"), Ok(2000));
        assert_eq!(cpus("0.5"), Ok(500));
        assert_eq!(cpus("0.001"), Ok(1));
        assert_eq!(cpus("1.5000000000000000"), Ok(1500));
    }

    #[test]
    fn cpus_that_make_no_sense_are_refused_with_the_number() {
        assert_eq!(cpus("0"), Err("a task asks for 0 cpus; the least is 0.001".into()));
        assert_eq!(
            cpus("0.0004"),
            Err("`0.0004` cpus is finer than a thousandth, the least step".into())
        );
        assert_eq!(cpus("-1"), Err("`-1` is not a number".into()));
        assert_eq!(cpus(""), Err("`` is not a number".into()));
        assert_eq!(cpus("1."), Err("`1.` is not a number".into()));
        assert_eq!(cpus(".5"), Err("`.5` is not a number".into()));
        assert_eq!(cpus("1e3"), Err("`1e3` is not a number".into()));
        assert!(cpus("9999999999999999999").unwrap_err().contains("more than can be counted"));
        assert!(cpus("999999999999999999999").unwrap_err().contains("too many digits"));
    }
}
