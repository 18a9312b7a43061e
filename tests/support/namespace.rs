//! A network of its own for one agent, joined to this one by a cable that can be pulled out.

use std::process::Command;

use super::cli::Said;

/// A network namespace with a cable to this one; removed when dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    /// The end of the cable that is here.
    cable: String,
    /// The address of this end.
    pub(crate) here: String,
}

impl Namespace {
    /// Makes one, which takes root.
    pub(crate) fn make() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes a network namespace\nhint: run the tests as root, as CI does"
        );
        // Names of interfaces have 15 bytes at the most.
        let id = std::process::id();
        let (name, cable, other) = (format!("rp{id}"), format!("rpa{id}"), format!("rpb{id}"));
        // Of the addresses that are kept for benchmarks between networks (RFC 2544).
        let net = format!("198.18.{}", id % 250);
        let made = Self { name: name.clone(), cable: cable.clone(), here: format!("{net}.1") };
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", &other, "netns", &name]);
        ip(&["address", "add", &format!("{net}.1/24"), "dev", &cable]);
        ip(&["link", "set", &cable, "up"]);
        ip(&["-n", &name, "address", "add", &format!("{net}.2/24"), "dev", &other]);
        ip(&["-n", &name, "link", "set", &other, "up"]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        made
    }

    /// What tells nsenter(1) to start a program in it, and otherwise where it would be.
    pub(crate) fn option(&self) -> String {
        format!("--net=/run/netns/{}", self.name)
    }

    /// Pulls the cable out: nobody is told, packets just go nowhere.
    pub(crate) fn cut(&self) {
        ip(&["link", "set", &self.cable, "down"]);
    }

    /// Puts the cable back.
    pub(crate) fn heal(&self) {
        ip(&["link", "set", &self.cable, "up"]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with either end; what is not there any more need not be removed.
        for words in [["link", "delete", &self.cable], ["netns", "delete", &self.name]] {
            drop(Said::by(Command::new("ip").args(words), b""));
        }
    }
}

#[track_caller]
fn ip(words: &[&str]) {
    let said = Said::by(Command::new("ip").args(words), b"");
    assert_eq!(said.code, 0, "hint: network namespaces must be allowed here, as in CI\n{said:?}");
}
