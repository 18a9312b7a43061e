//! Amounts of several things in one text: `cpus=16,memory=8G,licence=2`.

use std::str::FromStr;

use repower_proto::v1;

use super::extra::{Extra, ExtraError};
use super::number::{Cpus, CpusError};
use super::size::{Size, SizeError};

/// All that one task would need, if it came to that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Processors; one, if not said.
    pub cpus: Option<Cpus>,
    /// Memory.
    pub memory: Option<Size>,
    /// Disk.
    pub disk: Option<Size>,
    /// Named extras, ascending, none twice.
    pub extras: Vec<Extra>,
}

/// Why a text does not say amounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountsError {
    /// A number of processors that is not one.
    #[error(transparent)]
    Cpus(#[from] CpusError),
    /// A size that is not one.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Neither one of the fixed three nor an extra.
    #[error(transparent)]
    Extra(#[from] ExtraError),
    /// The same thing said twice.
    #[error("`{0}` is said twice")]
    Twice(String),
}

impl Amounts {
    /// Returns them as the wire has them.
    pub fn into_wire(self) -> v1::Resources {
        v1::Resources {
            cpu_milli: self.cpus.map_or(1000, Cpus::as_milli),
            memory_bytes: self.memory.map_or(0, Size::as_bytes),
            disk_bytes: self.disk.map_or(0, Size::as_bytes),
            extras: self.extras.into_iter().map(Extra::into_wire).collect(),
        }
    }
}

/// Fills a place once.
fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), AmountsError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(AmountsError::Twice(name.to_owned())),
    }
}

impl FromStr for Amounts {
    type Err = AmountsError;

    fn from_str(text: &str) -> Result<Self, AmountsError> {
        let mut amounts = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("cpus", cpus)) => once(&mut amounts.cpus, "cpus", cpus.parse()?)?,
                Some(("memory", size)) => once(&mut amounts.memory, "memory", size.parse()?)?,
                Some(("disk", size)) => once(&mut amounts.disk, "disk", size.parse()?)?,
                Some(_) | None => amounts.extras.push(part.parse()?),
            }
        }
        amounts.extras.sort_by(|one, other| one.name.cmp(&other.name));
        let twice = amounts.extras.windows(2).find(|pair| pair[0].name == pair[1].name);
        match twice {
            Some(pair) => Err(AmountsError::Twice(pair[0].name.clone())),
            None => Ok(amounts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<v1::Resources, String> {
        text.parse::<Amounts>().map(Amounts::into_wire).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_not_asked_for_but_one_processor() {
        let two = v1::Extra { name: "licence".into(), amount: 2 };
        let all = v1::Resources {
            cpu_milli: 16_000,
            memory_bytes: 8 << 30,
            disk_bytes: 1 << 30,
            extras: vec![v1::Extra { name: "gpu".into(), amount: 1 }, two.clone()],
        };

        assert_eq!(wire("cpus=16,memory=8G,licence=2,disk=1G,gpu"), Ok(all));
        let one = v1::Resources { cpu_milli: 1000, extras: vec![two], ..v1::Resources::default() };
        assert_eq!(wire("licence=2"), Ok(one));
    }

    #[test]
    fn a_thing_said_twice_or_badly_is_named() {
        assert_eq!(wire("cpus=1,cpus=2"), Err("`cpus` is said twice".into()));
        assert_eq!(wire("gpu,gpu=2"), Err("`gpu` is said twice".into()));
        assert!(wire("cpus=0").is_err());
        assert!(wire("memory=8X").is_err());
        assert!(wire("").is_err());
        assert!(wire("cpus").is_ok(), "an extra of that name: nodes may not have it");
    }
}
