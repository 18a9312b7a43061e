//! The address of this node, as the ranks of gangs on other nodes are told it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::net::{UdpSocket, lookup_host};
use tonic::transport::Uri;

/// Whether a text may stand in lists of hosts: a name or an address.
pub(crate) fn is_valid(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:%[]".contains(letter);
    !text.is_empty() && text.len() <= 253 && text.chars().all(fits)
}

/// The address from which this machine reaches the scheduler; `None` if it cannot.
///
/// Nothing is sent: a datagram socket that is connected has the address that the system's routes
/// give to packets for the other side.
pub(crate) async fn towards(scheduler: &Uri) -> Option<IpAddr> {
    let host = scheduler.host()?.trim_matches(['[', ']']);
    let other = lookup_host((host, scheduler.port_u16()?)).await.ok()?.next()?;
    let any: IpAddr =
        if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(other).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_scheduler_on_this_machine_is_reached_from_the_loopback() {
        let here = Uri::from_static("https://127.0.0.1:7070");

        assert_eq!(towards(&here).await, Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn an_address_is_a_word_that_can_stand_in_a_list() {
        assert!(is_valid("10.0.0.7") && is_valid("fe80::1%eth0") && is_valid("rig-7.example"));
        assert!(!is_valid("") && !is_valid("a,b") && !is_valid("a slots=2") && !is_valid("a\n"));
    }
}
