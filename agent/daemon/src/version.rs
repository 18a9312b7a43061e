//! What an agent and an executor say of themselves to each other.

use std::os::unix::fs::MetadataExt as _;

/// The protocol that they speak with each other.
pub(crate) const PROTOCOL: u32 = 1;

/// The build of this program: its version, and what tells one file of it from another.
pub(crate) fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match std::fs::metadata("/proc/self/exe") {
        Ok(file) => format!("{version}+{:x}.{:x}", file.len(), file.mtime()),
        Err(_) => version.to_owned(),
    }
}
