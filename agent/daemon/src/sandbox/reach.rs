//! A network that reaches named places and nothing else.
//!
//! It has nothing but loopback. For each place a socket listens in it, at the place's own address, which is one of
//! loopback's there; a thread of this process takes in what comes and carries bytes to the real place, over the
//! host's network. There is no way around it, because there is no other interface. Names are resolved once, before
//! the task starts, and a list of hosts tells the task what they mean.
//!
//! | module | what it does |
//! | --- | --- |
//! | `places` | from what a job names to addresses, and to the list of hosts |
//! | `network` | makes the network, with its listeners |
//! | `carrier` | the thread of one task: takes connections in, and ends them |
//! | `line` | one connection, both ways |

mod carrier;
mod line;
mod network;
mod places;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use carrier::Carrier;

/// A network that reaches named places and nothing else, as long as this lives.
#[derive(Debug)]
pub(crate) struct Reach {
    namespace: OwnedFd,
    /// What the places are called; removed with this.
    hosts: Hosts,
    carrier: Carrier,
}

/// Why there is no such network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    #[error(
        "{place} cannot be found from this node: correct the name, or let the job run elsewhere"
    )]
    Name { place: String, source: io::Error },
    #[error("the names have not been found within {seconds} s: try again, or name addresses")]
    Late { seconds: u64 },
    #[error("too many names are being looked up on this node: try again")]
    Busy,
    #[error("{place} is no address that a task could connect to: name one host and one port")]
    Nowhere { place: String },
    #[error(
        "{place} has addresses of IP version 6 only, which this node lacks: name another place"
    )]
    NoVersion { place: String },
    #[error("the places have {count} addresses, but a task may reach {most}: name fewer")]
    TooMany { count: usize, most: usize },
    #[error("a network for the task cannot be made")]
    Network { source: io::Error },
    #[error("the list of hosts {} cannot be written", path.display())]
    Hosts { path: PathBuf, source: io::Error },
}

impl Reach {
    /// Makes one. Names are resolved here and now, which may take some seconds. The list of hosts is written to
    /// `hosts`.
    ///
    /// # Errors
    ///
    /// What is wrong with a place, or what this process may not do.
    pub(crate) fn open(places: &[String], hosts: &Path) -> Result<Self, Unreachable> {
        ROOM.call_once(make_room);
        let found = places::find(places)?;
        let network =
            network::make(found.addresses()).map_err(|source| Unreachable::Network { source })?;
        let found = found.among(&network.listeners)?;
        let hosts = Hosts::write(hosts, &found.hosts())?;
        let carrier =
            Carrier::start(network.listeners).map_err(|source| Unreachable::Network { source })?;
        Ok(Self { namespace: network.namespace, hosts, carrier })
    }

    /// The network, for a process to enter.
    pub(crate) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// The list of hosts.
    pub(crate) fn hosts(&self) -> &Path {
        &self.hosts.0
    }

    /// Ends all connections, and from now on each that comes.
    pub(crate) fn cut(&self) {
        self.carrier.cut(true);
    }

    /// Lets connections come again.
    pub(crate) fn mend(&self) {
        self.carrier.cut(false);
    }
}

/// The file of the list of hosts.
#[derive(Debug)]
struct Hosts(PathBuf);

impl Hosts {
    fn write(path: &Path, text: &str) -> Result<Self, Unreachable> {
        let failed = |source| Unreachable::Hosts { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o644);
        let mut file = options.open(path).map_err(failed)?;
        let own = Self(path.to_owned());
        // Whatever the mask of this process is: the task has to read it.
        let mode = fs::Permissions::from_mode(0o644);
        file.set_permissions(mode)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(failed)?;
        Ok(own)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a file of a task");
        }
    }
}

static ROOM: Once = Once::new();

/// Allows as many open files as all connections together can need, if the hard limit does.
fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current else { return };
    let wanted = current.saturating_add(carrier::MOST_FILES);
    let current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current, ..limit }) {
        tracing::warn!(error = %io::Error::from(errno), "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests;
