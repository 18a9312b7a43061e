//! From what a job names to addresses, and to the list of hosts that a task finds.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::Unreachable;

/// The most addresses that the places of one task may have.
const ADDRESSES: usize = 256;
/// How long all the names of one task may take to be found.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most tasks whose names are being looked up; a look-up cannot be called off.
const LOOKUPS: usize = 8;
/// What a thread that looks names up has for its stack.
const STACK: usize = 512 << 10;

/// What places mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found(Vec<Place>);

/// One address of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// As the job names it.
    text: String,
    /// Its host, if that is a name.
    name: Option<String>,
    address: SocketAddr,
}

impl Found {
    /// All addresses, ascending, none twice.
    pub(super) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.0.iter().map(|place| place.address).collect()
    }

    /// Those at which somebody listens now.
    ///
    /// # Errors
    ///
    /// [`Unreachable::NoVersion`], if of a place nothing is left.
    pub(super) fn among(
        self,
        listeners: &[(TcpListener, SocketAddr)],
    ) -> Result<Self, Unreachable> {
        let is_there = |place: &Place| listeners.iter().any(|(_, at)| *at == place.address);
        let (kept, lost): (Vec<_>, Vec<_>) = self.0.into_iter().partition(is_there);
        let lost = lost.into_iter().find(|one| kept.iter().all(|place| place.text != one.text));
        match lost {
            Some(Place { text, .. }) => Err(Unreachable::NoVersion { place: text }),
            None => Ok(Self(kept)),
        }
    }

    /// What the names mean, as `/etc/hosts` says it.
    pub(super) fn hosts(&self) -> String {
        let mut lines = vec!["127.0.0.1 localhost".to_owned(), "::1 localhost".to_owned()];
        for Place { name, address, .. } in &self.0 {
            let Some(name) = name else { continue };
            let line = format!("{} {name}", address.ip());
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.join("\n") + "\n"
    }
}

/// The addresses of all places.
///
/// # Errors
///
/// Which place has none, or too many.
pub(super) fn find(places: &[String]) -> Result<Found, Unreachable> {
    let mut found = Vec::new();
    for (place, addresses) in look_up(places)? {
        let addresses =
            addresses.map_err(|source| Unreachable::Name { place: place.clone(), source })?;
        let name = name_of(&place);
        for address in addresses {
            if !is_somewhere(address) {
                return Err(Unreachable::Nowhere { place });
            }
            let (text, name) = (place.clone(), name.clone());
            found.push(Place { text, name, address });
        }
    }
    let found = Found(found);
    let count = found.addresses().len();
    if count > ADDRESSES {
        return Err(Unreachable::TooMany { count, most: ADDRESSES });
    }
    Ok(found)
}

/// The host of a place, if it is a name.
fn name_of(place: &str) -> Option<String> {
    let (host, _) = place.rsplit_once(':')?;
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    (!is_address).then(|| host.trim_end_matches('.').to_owned())
}

/// Whether a task could connect to it, and only one host answer.
fn is_somewhere(address: SocketAddr) -> bool {
    let is_one = match address.ip() {
        IpAddr::V4(ip) => !ip.is_broadcast(),
        // Which link it is on is not said by the address.
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && ip.to_ipv4_mapped().is_none(),
    };
    is_one && !address.ip().is_unspecified() && !address.ip().is_multicast() && address.port() > 0
}

/// A place, and what has been found of it.
type Looked = (String, io::Result<Vec<SocketAddr>>);

/// Looks all places up, in a thread of its own: nobody can say how long that takes.
fn look_up(places: &[String]) -> Result<Vec<Looked>, Unreachable> {
    let addresses = places.iter().map(|place| place.parse::<SocketAddr>());
    if let Ok(addresses) = addresses.collect::<Result<Vec<_>, _>>() {
        let found = places.iter().cloned().zip(addresses);
        return Ok(found.map(|(place, address)| (place, Ok(vec![address]))).collect());
    }
    let turn = Turn::take().ok_or(Unreachable::Busy)?;
    let (sender, receiver) = sync_channel(1);
    let places = places.to_owned();
    let work = move || {
        let look = |place: String| {
            let found = place.to_socket_addrs().map(Iterator::collect);
            (place, found)
        };
        let found = places.into_iter().map(look).collect::<Vec<_>>();
        drop(turn);
        // Nobody may be waiting any more.
        let _ = sender.send(found);
    };
    let thread = thread::Builder::new().name("places".into()).stack_size(STACK).spawn(work);
    thread.map_err(|source| Unreachable::Network { source })?;
    let late = |_| Unreachable::Late { seconds: PATIENCE.as_secs() };
    receiver.recv_timeout(PATIENCE).map_err(late)
}

/// One of the look-ups that may go on at a time.
#[derive(Debug)]
struct Turn;

static TURNS: AtomicUsize = AtomicUsize::new(0);

impl Turn {
    fn take() -> Option<Self> {
        let more = |taken| (taken < LOOKUPS).then_some(taken + 1);
        TURNS.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURNS.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_one(place: &str) -> Result<Found, Unreachable> {
        find(&[place.to_owned()])
    }

    #[test]
    fn names_are_in_the_list_of_hosts_and_addresses_are_not() {
        let places = ["localhost:80".to_owned(), "127.0.0.1:81".to_owned(), "[::1]:82".to_owned()];

        let found = find(&places).unwrap();

        let hosts = found.hosts();
        assert!(hosts.starts_with("127.0.0.1 localhost\n::1 localhost\n"), "{hosts}");
        assert_eq!(hosts.lines().count(), 2, "{hosts}");
        let ports: BTreeSet<u16> = found.addresses().iter().map(SocketAddr::port).collect();
        assert_eq!(ports, BTreeSet::from([80, 81, 82]));
    }

    #[test]
    fn a_name_stands_in_the_list_once_for_each_of_its_addresses() {
        let at = |address: &str, port| Place {
            text: format!("db.example.:{port}"),
            name: name_of(&format!("db.example.:{port}")),
            address: SocketAddr::new(address.parse().unwrap(), port),
        };
        let found = Found(vec![at("10.0.0.1", 1), at("10.0.0.1", 2), at("10.0.0.2", 1)]);

        assert!(found.hosts().ends_with("10.0.0.1 db.example\n10.0.0.2 db.example\n"));
        assert_eq!(found.addresses().len(), 3);
    }

    #[test]
    fn what_has_no_address_is_told_by_its_name() {
        assert!(matches!(
            find_one("no-such-host.invalid:80"),
            Err(Unreachable::Name { place, .. }) if place == "no-such-host.invalid:80"
        ));
    }

    #[test]
    fn an_address_that_is_many_hosts_or_none_is_refused() {
        for place in [
            "0.0.0.0:80",
            "255.255.255.255:80",
            "224.0.0.1:80",
            "[ff02::1]:80",
            "[fe80::1]:80",
            "[::]:1",
        ] {
            assert!(matches!(find_one(place), Err(Unreachable::Nowhere { .. })), "{place}");
        }
    }

    #[test]
    fn a_place_of_which_no_address_is_left_is_told() {
        let places = ["127.0.0.1:81".to_owned(), "[2001:db8::1]:82".to_owned()];
        let at: SocketAddr = "127.0.0.1:81".parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();

        let found = find(&places).unwrap().among(&[(listener, at)]);

        assert!(matches!(found, Err(Unreachable::NoVersion { place }) if place.ends_with("82")));
    }
}
