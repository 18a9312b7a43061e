//! Makes a network that has nothing but loopback, and sockets in it that listen at other hosts' addresses.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::event::{Timespec, poll};

use crate::sandbox::raw;

/// How often an address is looked at that has just been added, and how long to wait in between.
const LOOKS: u32 = 2000;
const BETWEEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// A network, and who listens in it.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) namespace: OwnedFd,
    /// Each with the address at which it listens; none blocks.
    pub(super) listeners: Vec<(TcpListener, SocketAddr)>,
}

/// Makes one that listens at these addresses, but for those of IP version 6 where there is none.
pub(super) fn make(addresses: BTreeSet<SocketAddr>) -> io::Result<Network> {
    // A thread has a network of its own, and leaves nothing of it but what is open.
    let maker = thread::Builder::new().name("network".into()).spawn(move || {
        let system = |errno: i32| io::Error::from_raw_os_error(errno);
        raw::own_network().map_err(system)?;
        raw::loopback_on().map_err(system)?;
        let ips: BTreeSet<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let mut there = BTreeSet::new();
        for (number, ip) in (0..).zip(ips) {
            match add(ip, number) {
                Ok(()) => {
                    there.insert(ip);
                }
                Err(error) if ip.is_ipv6() => {
                    tracing::debug!(%ip, %error, "there is no IP of version 6 here");
                }
                Err(error) => return Err(error),
            }
        }
        let listen = |at: SocketAddr| {
            let listener = TcpListener::bind(at)?;
            listener.set_nonblocking(true)?;
            Ok((listener, at))
        };
        let at = addresses.into_iter().filter(|at| there.contains(&at.ip()));
        let listeners = at.map(listen).collect::<io::Result<_>>()?;
        let namespace = OwnedFd::from(File::open("/proc/thread-self/ns/net")?);
        Ok(Network { namespace, listeners })
    })?;
    maker.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes it has panicked")))
}

/// Gives loopback an address, if it has not got it.
fn add(ip: IpAddr, number: u32) -> io::Result<()> {
    // All of 127.0.0.0/8 is there from the start; ::1 only where there is version 6 at all.
    if ip.is_loopback() {
        return TcpListener::bind((ip, 0)).map(drop);
    }
    raw::add_to_loopback(ip, number).map_err(io::Error::from_raw_os_error)?;
    // Of version 6, a thread of the kernel's own makes it usable, and tells nobody but who listens for changes.
    for _ in 0..LOOKS {
        if is_usable(ip) {
            return Ok(());
        }
        let _ = poll(&mut [], Some(&BETWEEN));
    }
    Err(io::ErrorKind::AddrNotAvailable.into())
}

/// Whether one can listen at an address, and connect to it.
fn is_usable(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).and_then(|socket| socket.connect((ip, 9))).is_ok()
}
