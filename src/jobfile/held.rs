//! How far a job's tasks are kept apart from their node: `--isolation`, `--egress`, `--image`, `--pids`,
//! `--pin-cpus`, `--io-weight`.

use std::str::FromStr;

use clap::ValueEnum;
use repower_proto::v1;

/// How far tasks are kept apart from their node.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "How it is kept apart")]
pub struct Held {
    /// The least: `bare`, `boxed` (its own processes, files and user), `sealed` (no network either)
    /// [default: as the class asks]
    #[arg(long, value_name = "LEVEL")]
    pub isolation: Option<Level>,
    /// What of the network it reaches: `open`, `none`, or only `HOST:PORT,..`
    /// [default: as the class says]
    #[arg(long, value_name = "WHERE")]
    pub egress: Option<Egress>,
    /// Container image to run in, by its digest (NAME@sha256:..), or its id (sha256:..) if only nodes have it
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Most processes and threads of a task at a time [default: as the node
    /// has it for all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub pids: Option<u32>,
    /// Each process runs on processors that no other pinned one has, of one NUMA node if possible; takes whole `--cpus`
    #[arg(long)]
    pub pin_cpus: bool,
    /// What of the disks each process gets when they are scarce, 1 to 1000, where one of one processor has 100
    /// [default: by its processors]
    #[arg(long, value_name = "WEIGHT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub io_weight: Option<u32>,
}

/// A level of isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Limits only.
    Bare,
    /// Its own processes, files and user.
    Boxed,
    /// No network either.
    Sealed,
}

/// What of the network a task reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Egress {
    /// Whatever its node reaches.
    Open,
    /// Nothing but itself.
    None,
    /// These places, ascending, none twice.
    Only(Vec<String>),
}

/// A text that names no part of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not open, none, or HOST:PORT")]
pub struct NoPlace {
    text: String,
}

impl FromStr for Egress {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        match text {
            "open" => return Ok(Self::Open),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let place = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            let is_place = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
            is_place.then(|| text.to_owned())
        };
        let places =
            text.split(',').map(|one| place(one).ok_or_else(|| NoPlace { text: one.to_owned() }));
        let mut places = places.collect::<Result<Vec<_>, _>>()?;
        places.sort();
        places.dedup();
        Ok(Self::Only(places))
    }
}

impl Held {
    /// Returns this, with what it leaves out taken from a `lower` one.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            isolation: self.isolation.or(lower.isolation),
            egress: self.egress.or(lower.egress),
            image: self.image.or(lower.image),
            pids: self.pids.or(lower.pids),
            pin_cpus: self.pin_cpus || lower.pin_cpus,
            io_weight: self.io_weight.or(lower.io_weight),
        }
    }

    /// Whether the current folder of the submitter cannot be what a task runs in.
    pub fn is_boxed(&self) -> bool {
        let is_limited = matches!(self.egress, Some(Egress::Only(_) | Egress::None));
        let is_kept = matches!(self.isolation, Some(Level::Boxed | Level::Sealed));
        self.image.is_some() || is_limited || is_kept
    }

    /// Writes it into a specification.
    pub fn write(self, spec: &mut v1::JobSpec) {
        let level = self.isolation.map(|level| match level {
            Level::Bare => v1::Isolation::Bare,
            Level::Boxed => v1::Isolation::Boxed,
            Level::Sealed => v1::Isolation::Sealed,
        });
        spec.isolation = level.map_or(0, Into::into);
        spec.egress = self.egress.map(|egress| {
            let (kind, only) = match egress {
                Egress::Open => (v1::EgressKind::Open, Vec::new()),
                Egress::None => (v1::EgressKind::None, Vec::new()),
                Egress::Only(places) => (v1::EgressKind::Only, places),
            };
            v1::Egress { kind: kind.into(), only }
        });
        spec.pids = self.pids.unwrap_or(0);
        spec.pin_cpus = self.pin_cpus;
        spec.io_weight = self.io_weight.unwrap_or(0);
        spec.image = self.image.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_is_open_none_or_places() {
        assert_eq!("open".parse(), Ok(Egress::Open));
        assert_eq!("none".parse(), Ok(Egress::None));
        let places = vec!["a.org:443".to_owned(), "b.org:80".to_owned()];
        assert_eq!("b.org:80,a.org:443,b.org:80".parse(), Ok(Egress::Only(places)));
        for wrong in ["", "opne", "a.org", "a.org:0", "a.org:x", ":443", "a.org:443,"] {
            assert!(wrong.parse::<Egress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_does_not_reach_all_of_the_network_does_not_run_in_the_current_folder() {
        let with = |egress: &str| {
            Held { egress: Some(egress.parse().unwrap()), ..Held::default() }.is_boxed()
        };

        assert!(!Held::default().is_boxed() && !with("open"));
        assert!(with("none") && with("a.org:443"));
    }

    #[test]
    fn what_is_asked_for_is_in_the_specification() {
        let mut spec = v1::JobSpec::default();
        let upper = Held { pids: Some(9), ..Held::default() };
        let lower = Held {
            isolation: Some(Level::Sealed),
            pids: Some(3),
            egress: Some(Egress::None),
            image: Some("x".into()),
            pin_cpus: true,
            io_weight: Some(300),
        };

        upper.over(lower).write(&mut spec);

        assert_eq!((spec.isolation(), spec.pids), (v1::Isolation::Sealed, 9));
        assert_eq!(spec.egress.unwrap().kind(), v1::EgressKind::None);
        assert_eq!((spec.image.as_str(), spec.pin_cpus, spec.io_weight), ("x", true, 300));
    }
}
