//! What an operator can set.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use repower_model::Span;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// The folder for ledger, output, certificates and the first client profile.
    pub data: PathBuf,
    /// Where to listen, for everything.
    pub listen: SocketAddr,
    /// More names and addresses that the server's certificate is good for.
    pub names: Vec<String>,
    /// The policy file to put in force; none: the one in force, or the built-in one.
    pub policy: Option<PathBuf>,
    /// The name of the cell, as in the origin of its signed heads.
    pub cell: String,
    /// A node that is silent for this long is given up.
    pub lease_ms: u64,
    /// How often a silent agent says that it is there; 0: a sixth of the lease.
    pub heartbeat_ms: u64,
    /// The bound of each output stream of a task: half of it for its beginning, half for its end.
    pub output_bytes: u64,
    /// Where the files of jobs are: a folder, or `s3://BUCKET/PREFIX` with endpoint, region and credentials from the
    /// variables `AWS_*` of the environment; none: the folder `artefacts` in `data`. What is on its way to a bucket
    /// comes through that folder.
    pub artefacts: Option<String>,
    /// A file of such variables, one `NAME=VALUE` a line, which only its owner may read; what it says wins.
    pub artefacts_credentials: Option<PathBuf>,
    /// A transfer of an artefact of which nothing has moved for this long is ended, so that others have its place; it goes on
    /// where it was when it is begun again. Lines that are dead are noticed sooner, so what stands still for a minute
    /// does so because nobody reads or sends at the other end.
    pub transfer_stall_ms: u64,
    /// How long the inputs of an ended job are kept, so that it can be submitted again.
    pub keep_inputs_hours: u32,
    /// The output of a task is compressed when it has ended and printed nothing for this long.
    pub output_rest_ms: u64,
    /// After this long it is removed; 0: never.
    pub output_keep_ms: u64,
    /// When all output takes more than this, compressed, the oldest of ended tasks is removed; 0: never.
    pub output_total_bytes: u64,
    /// A snapshot is taken after this many facts, but not more often than every ten seconds.
    pub snapshot_facts: u64,
    /// The most connections at one time: a quarter of them may be those of one caller.
    pub connections: usize,
    /// The most calls that one person may have open at one time.
    pub calls: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: PathBuf::from("repower-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            names: Vec::new(),
            policy: None,
            cell: "repower".to_owned(),
            lease_ms: 60_000,
            heartbeat_ms: 0,
            output_bytes: 64 << 20,
            artefacts: None,
            artefacts_credentials: None,
            transfer_stall_ms: 60_000,
            keep_inputs_hours: 7 * 24,
            output_rest_ms: 60_000,
            output_keep_ms: 90 * 24 * 3_600_000,
            output_total_bytes: 64 << 30,
            snapshot_facts: 20_000,
            connections: 20_000,
            calls: 2000,
        }
    }
}

impl Options {
    /// The shortest lease: shorter ones would end by mere jitter.
    pub const SHORTEST_LEASE_MS: u64 = 500;

    /// Checks how the fields go together.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] for the first that is out of bounds.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |option, problem: String| Err(Error::BadOption { option, problem });
        if self.lease_ms < Self::SHORTEST_LEASE_MS {
            let least = Self::SHORTEST_LEASE_MS;
            return bad("lease-ms", format!("is {}, but must be at least {least}", self.lease_ms));
        }
        if self.heartbeat_ms > self.lease_ms / 2 {
            let problem = format!(
                "is {}, but must be at most half of the lease of {}",
                self.heartbeat_ms, self.lease_ms
            );
            return bad("heartbeat-ms", problem);
        }
        let cell_char = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if self.cell.is_empty() || self.cell.len() > 200 || !self.cell.chars().all(cell_char) {
            return bad("cell", "must be 1 to 200 characters without spaces and `+`".to_owned());
        }
        let counts = [
            ("snapshot-facts", self.snapshot_facts == 0),
            ("connections", self.connections == 0),
            ("calls", self.calls == 0),
            ("transfer-stall-ms", self.transfer_stall_ms == 0),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, is_zero)| *is_zero) {
            return bad(option, "is 0, but must be at least 1".to_owned());
        }
        Ok(())
    }

    pub(crate) fn keep_inputs(&self) -> Span {
        Span::from_secs(u64::from(self.keep_inputs_hours) * 3600)
    }

    pub(crate) fn lease(&self) -> Span {
        Span::from_millis(self.lease_ms)
    }

    pub(crate) fn heartbeat(&self) -> Span {
        let sixth = self.lease_ms / 6;
        Span::from_millis(if self.heartbeat_ms == 0 { sixth } else { self.heartbeat_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_default_and_what_is_misspelt_is_refused() {
        let options: Options = toml::from_str("lease-ms = 2000").unwrap();
        let misspelt = toml::from_str::<Options>("leese-ms = 2000").unwrap_err();

        assert_eq!(options.heartbeat(), Span::from_millis(333));
        assert_eq!(options.listen, Options::default().listen);
        assert!(misspelt.to_string().contains("leese-ms"), "{misspelt}");
    }

    #[test]
    fn a_heartbeat_longer_than_half_the_lease_is_refused() {
        let options = Options { heartbeat_ms: 31_000, ..Options::default() };

        let error = options.check().unwrap_err();

        assert_eq!(
            error.to_string(),
            "the option `heartbeat-ms` is 31000, but must be at most half of the lease of 60000"
        );
    }
}
