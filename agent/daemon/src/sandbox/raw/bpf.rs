//! Programs in the kernel that decide which devices the processes of a control group may use.

use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use super::{Errno, at, call, done};

/// What `bpf` is to do, and of which kind the program is (`bpf(2)`, `linux/bpf.h`).
const LOAD: usize = 5;
const ATTACH: usize = 8;
const KIND_CGROUP_DEVICE: u32 = 15;
const AT_CGROUP_DEVICE: u32 = 6;
/// Beside those of others: a device may be used if all of them say so.
const ALLOW_MULTI: u32 = 2;

/// The beginning of the kernel's `union bpf_attr`, to load a program; what it has behind that is nothing.
#[repr(C)]
#[derive(Debug)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The same to attach one.
#[repr(C)]
#[derive(Debug)]
struct Attach {
    group: u32,
    program: u32,
    at: u32,
    flags: u32,
}

/// Gives the kernel a program, which it checks.
pub(in crate::sandbox) fn load_device_program(instructions: &[u64]) -> Result<OwnedFd, Errno> {
    let license: &CStr = c"Apache-2.0";
    let load = Load {
        kind: KIND_CGROUP_DEVICE,
        count: u32::try_from(instructions.len()).map_err(|_| libc::E2BIG)?,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        license: at(license) as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    let place = ptr::from_ref(&load) as usize;
    let fd = call(libc::SYS_bpf, [LOAD, place, size_of::<Load>(), 0, 0, 0])?;
    let fd = i32::try_from(fd).map_err(|_| libc::EMFILE)?;
    // SAFETY: the kernel has just opened it for this call, to be closed by an exec, and nobody else knows it.
    #[expect(unsafe_code, reason = "the kernel gives it as a number")]
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(program)
}

/// Lets a program decide for the processes of a control group, for as long as that is there.
pub(in crate::sandbox) fn attach_device_program(
    program: BorrowedFd<'_>,
    group: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let attach = Attach {
        group: group.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        at: AT_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    let place = ptr::from_ref(&attach) as usize;
    done(call(libc::SYS_bpf, [ATTACH, place, size_of::<Attach>(), 0, 0, 0]))
}
