//! What the ranks of a gang find in their environment, beside what every task does: the names that
//! `PyTorch` and MPI programs look for. `docs/gangs.md` tells users of them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use repower_model::Rendezvous;

/// The variable in which a job may name the port itself.
const PORT: &str = "MASTER_PORT";

/// The variables of a rank; `hosts` is the file with the list of hosts, and `own` what the job has set
/// itself.
pub(super) fn variables(
    rendezvous: &Rendezvous,
    rank: u32,
    hosts: &Path,
    own: &[(OsString, OsString)],
) -> Vec<(&'static str, OsString)> {
    let local = rendezvous.local();
    let addresses: Vec<&str> = rendezvous.hosts.iter().map(|host| host.address.as_str()).collect();
    let mut variables: Vec<(&str, OsString)> = vec![
        ("RANK", rank.to_string().into()),
        ("LOCAL_RANK", rank.saturating_sub(local.start).to_string().into()),
        ("WORLD_SIZE", rendezvous.world().to_string().into()),
        ("LOCAL_WORLD_SIZE", local.len().to_string().into()),
        ("NODE_RANK", rendezvous.node_rank.to_string().into()),
        ("MASTER_ADDR", addresses.first().copied().unwrap_or_default().into()),
        ("REPOWER_HOSTS", addresses.join(",").into()),
        ("REPOWER_HOSTFILE", hosts.into()),
    ];
    if own.iter().all(|(name, _)| name != PORT) {
        variables.push((PORT, rendezvous.port.to_string().into()));
    }
    variables
}

/// The list of hosts as `mpirun --hostfile` reads it: one a line, with the number of its ranks.
pub(super) fn hostfile(rendezvous: &Rendezvous) -> String {
    rendezvous.hosts.iter().fold(String::new(), |mut text, host| {
        writeln!(text, "{} slots={}", host.address, host.ranks)
            .expect("a string takes all that is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use repower_model::Host;

    use super::*;

    fn rendezvous() -> Rendezvous {
        let host = |address: &str, ranks| Host {
            name: format!("node-{address}"),
            address: address.into(),
            ranks,
        };
        Rendezvous {
            hosts: vec![host("10.0.0.1", 2), host("rig-7", 3)],
            node_rank: 1,
            port: 20_123,
        }
    }

    fn value<'a>(variables: &'a [(&str, OsString)], name: &str) -> Option<&'a str> {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| value.to_str())
    }

    #[test]
    fn a_rank_is_told_who_it_is_and_where_the_first_one_listens() {
        let found = variables(&rendezvous(), 3, Path::new("/x/hosts"), &[]);

        for (name, expected) in [
            ("RANK", "3"),
            ("LOCAL_RANK", "1"),
            ("WORLD_SIZE", "5"),
            ("LOCAL_WORLD_SIZE", "3"),
            ("NODE_RANK", "1"),
            ("MASTER_ADDR", "10.0.0.1"),
            ("MASTER_PORT", "20123"),
            ("REPOWER_HOSTS", "10.0.0.1,rig-7"),
            ("REPOWER_HOSTFILE", "/x/hosts"),
        ] {
            assert_eq!(value(&found, name), Some(expected), "{name}");
        }
        assert_eq!(hostfile(&rendezvous()), "10.0.0.1 slots=2\nrig-7 slots=3\n");
    }

    #[test]
    fn a_port_that_the_job_names_itself_stays() {
        let own = [("MASTER_PORT".into(), "29500".into())];

        let found = variables(&rendezvous(), 0, Path::new("/x/hosts"), &own);

        assert_eq!(value(&found, "MASTER_PORT"), None);
    }
}
