//! The environment of tasks, and the mark by which a process is known as one of this node's.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use repower_proto::v1::Inherited;

use crate::Error;

/// The variable that carries the mark: the data folder's, the executor's and the task's, in this order.
pub(crate) const MARK: &str = "REPOWER_AGENT_INSTANCE";

/// The variables that tasks inherit from the agent; nothing else of its environment reaches them.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "USER"];

/// What programs are looked for in if the agent itself has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that every task inherits.
pub(crate) fn inherited() -> Vec<Inherited> {
    let mut variables: Vec<_> = INHERITED
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.into_vec();
            Some(Inherited { name: (*name).into(), value })
        })
        .collect();
    if variables.iter().all(|one| one.name != b"PATH") {
        variables.push(Inherited { name: "PATH".into(), value: PATH.into() });
    }
    variables
}

/// All variables of this process, for programs of its own.
pub(crate) fn all() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Where this process looks for programs.
pub(crate) fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| PATH.into())
}

/// 16 random bytes.
pub(crate) fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::System {
        what: "random bytes",
        source: std::io::Error::other(error),
    })?;
    Ok(bytes)
}

/// 16 random bytes in hex.
pub(crate) fn random_mark() -> Result<String, Error> {
    Ok(hex(&random()?))
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}
