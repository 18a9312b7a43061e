//! TCP connections with the kernel's counts, by `NETLINK_SOCK_DIAG` (`sock_diag(7)`). No payload is seen.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use rustix::net::{recv, send, socket_with};

use super::{Unavailable, proc};

/// The most connections of a host that are gone through in one look.
const CONNECTIONS: usize = 64 << 10;

/// The kernel answers at once; this is for one that does not.
const PATIENCE: Duration = Duration::from_millis(500);

// Numbers of linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_AND_DUMP: u16 = 0x0301;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
const DIAG_INFO: u16 = 2;
const ESTABLISHED: u32 = 1 << 1;
const TCP: u8 = 6;
const HEADER: usize = 16;
const DIAG_MESSAGE: usize = 72;

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) inode: u32,
    pub(super) cookie: u64,
    pub(super) remote: SocketAddr,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// The established connections behind the descriptors `inodes` in the network of `process`.
pub(super) fn connections(
    process: u32,
    inodes: &BTreeSet<u32>,
) -> Result<Vec<Connection>, Unavailable> {
    if inodes.is_empty() {
        return Ok(Vec::new());
    }
    let Some(socket) = socket_in_network_of(process)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = u8::try_from(family).unwrap_or_default();
        ask(&socket, family, inodes, &mut found).map_err(|_| Unavailable::Connections)?;
    }
    Ok(found)
}

/// Whether the kernel lists connections.
pub(super) fn try_out() -> Result<(), Unavailable> {
    let socket = diag_socket().map_err(|_| Unavailable::Connections)?;
    let family = u8::try_from(libc::AF_INET).unwrap_or_default();
    ask(&socket, family, &BTreeSet::new(), &mut Vec::new()).map_err(|_| Unavailable::Connections)
}

/// A socket that sees what `process` sees; none if that is gone.
fn socket_in_network_of(process: u32) -> Result<Option<OwnedFd>, Unavailable> {
    let theirs = proc::path(process, "ns/net");
    let (Ok(own), Ok(other)) = (fs::read_link("/proc/self/ns/net"), fs::read_link(&theirs)) else {
        return Ok(None);
    };
    if own == other {
        return diag_socket().map(Some).map_err(|_| Unavailable::Connections);
    }
    let Ok(namespace) = File::open(&theirs) else { return Ok(None) };
    // A thread of its own goes there and never comes back; its socket stays there.
    let enter = move || {
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind))
            .map_err(|_| Unavailable::Namespace)?;
        diag_socket().map_err(|_| Unavailable::Connections)
    };
    let thread = thread::Builder::new().name("sense-network".to_owned()).spawn(enter);
    let thread = thread.map_err(|_| Unavailable::Namespace)?;
    thread.join().unwrap_or(Err(Unavailable::Namespace)).map(Some)
}

fn diag_socket() -> rustix::io::Result<OwnedFd> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

fn ask(
    socket: &OwnedFd,
    family: u8,
    inodes: &BTreeSet<u32>,
    found: &mut Vec<Connection>,
) -> rustix::io::Result<()> {
    send(socket, &request(family), SendFlags::empty())?;
    let mut buffer = vec![0_u8; 32 << 10];
    let mut seen = 0;
    loop {
        let (count, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = &buffer[..count.min(buffer.len())];
        while let Some((kind, body, after)) = message(rest) {
            match kind {
                MESSAGE_DONE => return Ok(()),
                MESSAGE_ERROR => return Err(rustix::io::Errno::OPNOTSUPP),
                _ => found.extend(connection(body).filter(|one| inodes.contains(&one.inode))),
            }
            rest = after;
            seen += 1;
        }
        if seen > CONNECTIONS || count == 0 {
            return Ok(());
        }
    }
}

fn request(family: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 56);
    bytes.extend(72_u32.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_AND_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 1 << (DIAG_INFO - 1), 0]);
    bytes.extend(ESTABLISHED.to_ne_bytes());
    bytes.extend([0; 48]);
    bytes
}

/// Type and body of the first netlink message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((kind, body, &bytes[next..]))
}

/// An `inet_diag_msg` with its attributes.
fn connection(body: &[u8]) -> Option<Connection> {
    let family = i32::from(*body.first()?);
    let port = u16::from_be_bytes(body.get(6..8)?.try_into().ok()?);
    let address = if family == libc::AF_INET {
        let four: [u8; 4] = body.get(24..28)?.try_into().ok()?;
        IpAddr::V4(Ipv4Addr::from(four))
    } else {
        let sixteen: [u8; 16] = body.get(24..40)?.try_into().ok()?;
        IpAddr::V6(Ipv6Addr::from(sixteen)).to_canonical()
    };
    let cookie = u64::from_ne_bytes(body.get(44..52)?.try_into().ok()?);
    let inode = number(body, 68)?;
    let (sent, received) = counts(body.get(DIAG_MESSAGE..)?)?;
    Some(Connection { inode, cookie, remote: SocketAddr::new(address, port), sent, received })
}

/// `tcpi_bytes_acked` and `tcpi_bytes_received` of the attribute that holds a `tcp_info`.
fn counts(mut attributes: &[u8]) -> Option<(u64, u64)> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let value = attributes.get(4..length)?;
        if kind == DIAG_INFO {
            let long =
                |at: usize| Some(u64::from_ne_bytes(value.get(at..at + 8)?.try_into().ok()?));
            return Some((long(120)?, long(128)?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_counts_of_a_connection_are_those_of_what_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(&[7; 300]).unwrap();
        client.read_exact(&mut [0; 300]).unwrap();
        let own = std::process::id();

        let open = super::super::descriptors::open(own);
        let all = connections(own, &open.sockets).unwrap();

        let to = listener.local_addr().unwrap();
        let found = all.iter().find(|one| one.remote == to).unwrap();
        assert_eq!(found.received, 300);
        assert!((1000..=1001).contains(&found.sent), "{}", found.sent);
    }

    #[test]
    fn cut_messages_are_passed_over() {
        for length in 0..72 {
            assert_eq!(connection(&vec![0; length]), None);
        }
        assert_eq!(message(&[255; 20]), None);
        assert_eq!(counts(&[0, 0, 0, 0]), None);
    }
}
