//! The first process of a pid namespace, carried in this program and kept ready in memory.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};
use sha2::{Digest as _, Sha256};

/// The program that `build.rs` makes of `init/init.rs`.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// SHA-256 of that program.
pub(crate) fn digest() -> [u8; 32] {
    Sha256::digest(PROGRAM).into()
}

/// A file in memory that the kernel can execute, closed by the exec.
pub(super) fn descriptor() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC;
    // Kernels from 6.3 on want to be told; older ones do not know the flag.
    let file = memfd_create(c"repower-init", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create(c"repower-init", flags))?;
    let mut file = File::from(file);
    file.write_all(PROGRAM)?;
    Ok(file.into())
}
