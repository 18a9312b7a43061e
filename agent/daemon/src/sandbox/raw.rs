//! System calls without libc, for the short time between a clone and an exec.
//!
//! There a process shares its memory with its parent: no allocation, no lock, and no `errno`, which
//! would be the parent's. The functions here are what such code may call: each is one system call.

mod bpf;

use std::arch::asm;
use std::ffi::{CStr, c_void};
use std::net::IpAddr;
use std::ptr;

pub(super) use bpf::{attach_device_program, load_device_program};

/// What a system call says when it fails.
pub(super) type Errno = i32;

/// What `clone3` is told. Laid out as the kernel's `struct clone_args`, version 2.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    /// Where the pidfd goes, if the flags ask for one.
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    pub(super) exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    pub(super) set_tid: u64,
    pub(super) set_tid_size: u64,
    /// The control group to start in, if the flags ask for it.
    pub(super) cgroup: u64,
}

/// What a mount is changed to. Laid out as the kernel's `struct mount_attr`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct MountAttributes {
    pub(super) set: u64,
    pub(super) clear: u64,
    pub(super) propagation: u64,
    pub(super) user_namespace: u64,
}

/// The flag of `clone3` that gives signals with a handler back their default action.
pub(super) const CLEAR_SIGNALS: u64 = 0x1_0000_0000;

/// The flag of `clone3` that starts the child in a control group.
pub(super) const INTO_CGROUP: u64 = 0x2_0000_0000;

/// One system call.
///
/// Private to this file, so that each use is one of the functions below: they take references, so
/// all that the kernel is pointed at is alive and of the right size.
#[cfg(target_arch = "x86_64")]
fn call(number: libc::c_long, a: [usize; 6]) -> Result<usize, Errno> {
    let result: libc::c_long;
    // SAFETY: see above; the kernel changes rcx and r11 only, and what the arguments point at.
    #[expect(unsafe_code, reason = "a system call that touches nothing of libc")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4],
            in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    outcome(result)
}

/// One system call.
///
/// Private to this file, so that each use is one of the functions below: they take references, so
/// all that the kernel is pointed at is alive and of the right size.
#[cfg(target_arch = "aarch64")]
fn call(number: libc::c_long, a: [usize; 6]) -> Result<usize, Errno> {
    let result: libc::c_long;
    // SAFETY: see above; the kernel changes what the arguments point at only.
    #[expect(unsafe_code, reason = "a system call that touches nothing of libc")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1],
            in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    outcome(result)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("tasks are launched on x86-64 and aarch64; another processor needs its calls here");

fn outcome(result: libc::c_long) -> Result<usize, Errno> {
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        Err(_) => Err(i32::try_from(result.wrapping_neg()).unwrap_or(libc::EINVAL)),
    }
}

/// Starts a process that runs `entry(argument)` on the stack that `args` names; returns its pid.
///
/// # Safety
///
/// `entry` and all that it reaches through `argument` must be fit for a process that shares this
/// one's memory: system calls only, and nothing that outlives the frame of the caller, who must ask
/// for `CLONE_VFORK`. Signals must be blocked.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "clone3 returns twice, once on another stack")]
pub(super) unsafe fn clone3(
    args: &CloneArgs,
    entry: extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> Result<usize, Errno> {
    let result: libc::c_long;
    // SAFETY: the child never leaves this block but through `entry`, on its own stack, so the
    // parent's registers and frame are as they were.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, {argument}",
            "call {entry}", "ud2", "2:",
            argument = in(reg) argument, entry = in(reg) entry,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_ref(args), in("rsi") size_of::<CloneArgs>(),
            out("rcx") _, out("r11") _);
    }
    outcome(result)
}

/// Starts a process that runs `entry(argument)` on the stack that `args` names; returns its pid.
///
/// # Safety
///
/// `entry` and all that it reaches through `argument` must be fit for a process that shares this
/// one's memory: system calls only, and nothing that outlives the frame of the caller, who must ask
/// for `CLONE_VFORK`. Signals must be blocked.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "clone3 returns twice, once on another stack")]
pub(super) unsafe fn clone3(
    args: &CloneArgs,
    entry: extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> Result<usize, Errno> {
    let result: libc::c_long;
    // SAFETY: the child never leaves this block but through `entry`, on its own stack, so the
    // parent's registers and frame are as they were.
    unsafe {
        asm!("svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x0, {argument}", "blr {entry}", "brk 1", "2:",
            argument = in(reg) argument, entry = in(reg) entry, in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(args) => result, in("x1") size_of::<CloneArgs>());
    }
    outcome(result)
}

/// Ends this process at once.
pub(super) fn exit(code: i32) -> ! {
    loop {
        let _ = call(libc::SYS_exit_group, [word(code), 0, 0, 0, 0, 0]);
    }
}

/// A signed number as the kernel wants it in a register.
fn word(number: i32) -> usize {
    (number as isize).cast_unsigned()
}

fn at(path: &CStr) -> usize {
    path.as_ptr() as usize
}

fn done(result: Result<usize, Errno>) -> Result<(), Errno> {
    result.map(drop)
}

pub(super) fn setsid() -> Result<(), Errno> {
    done(call(libc::SYS_setsid, [0; 6]))
}

/// `prctl` with numbers only.
pub(super) fn prctl(option: i32, value: usize) -> Result<usize, Errno> {
    call(libc::SYS_prctl, [word(option), value, 0, 0, 0, 0])
}

pub(super) fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    call(libc::SYS_write, [word(fd), bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])
}

/// A copy of a descriptor under a number of choice, which is kept over an exec.
pub(super) fn dup_to(fd: i32, number: i32) -> Result<(), Errno> {
    if fd == number {
        return done(call(libc::SYS_fcntl, [word(fd), word(libc::F_SETFD), 0, 0, 0, 0]));
    }
    done(call(libc::SYS_dup3, [word(fd), word(number), 0, 0, 0, 0]))
}

/// A copy of a descriptor under a number of at least `least`, which is closed by an exec.
pub(super) fn dup_above(fd: i32, least: i32) -> Result<i32, Errno> {
    let copy =
        call(libc::SYS_fcntl, [word(fd), word(libc::F_DUPFD_CLOEXEC), word(least), 0, 0, 0])?;
    i32::try_from(copy).map_err(|_| libc::EMFILE)
}

/// Closes every descriptor from `first` to `last`.
pub(super) fn close_range(first: i32, last: i32) {
    if first <= last {
        let _ = call(libc::SYS_close_range, [word(first), word(last), 0, 0, 0, 0]);
    }
}

/// Lets an exec close every descriptor from `first` on.
pub(super) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    const CLOEXEC: usize = 4;
    done(call(libc::SYS_close_range, [first as usize, u32::MAX as usize, CLOEXEC, 0, 0, 0]))
}

pub(super) fn open(path: &CStr, flags: i32) -> Result<i32, Errno> {
    let flags = flags | libc::O_CLOEXEC;
    let fd = call(libc::SYS_openat, [word(libc::AT_FDCWD), at(path), word(flags), 0o600, 0, 0])?;
    i32::try_from(fd).map_err(|_| libc::EMFILE)
}

pub(super) fn close(fd: i32) {
    let _ = call(libc::SYS_close, [word(fd), 0, 0, 0, 0, 0]);
}

pub(super) fn make_folder(path: &CStr, mode: u32) -> Result<(), Errno> {
    done(call(libc::SYS_mkdirat, [word(libc::AT_FDCWD), at(path), mode as usize, 0, 0, 0]))
}

/// An empty file, or with a device number a device.
pub(super) fn make_node(path: &CStr, mode: u32, device: u64) -> Result<(), Errno> {
    let device = usize::try_from(device).map_err(|_| libc::EINVAL)?;
    done(call(libc::SYS_mknodat, [word(libc::AT_FDCWD), at(path), mode as usize, device, 0, 0]))
}

pub(super) fn make_link(target: &CStr, path: &CStr) -> Result<(), Errno> {
    done(call(libc::SYS_symlinkat, [at(target), word(libc::AT_FDCWD), at(path), 0, 0, 0]))
}

pub(super) fn umask(mask: u32) {
    let _ = call(libc::SYS_umask, [mask as usize, 0, 0, 0, 0, 0]);
}

pub(super) fn mount(
    source: &CStr,
    target: &CStr,
    kind: &CStr,
    flags: u64,
    data: &CStr,
) -> Result<(), Errno> {
    let flags = usize::try_from(flags).map_err(|_| libc::EINVAL)?;
    done(call(libc::SYS_mount, [at(source), at(target), at(kind), flags, at(data), 0]))
}

pub(super) fn unmount_lazily(target: &CStr) -> Result<(), Errno> {
    done(call(libc::SYS_umount2, [at(target), word(libc::MNT_DETACH), 0, 0, 0, 0]))
}

/// Changes a mount, and those below it if so asked.
pub(super) fn set_mount(
    target: &CStr,
    below_too: bool,
    attributes: &MountAttributes,
) -> Result<(), Errno> {
    const RECURSIVE: usize = 0x8000;
    let flags = if below_too { RECURSIVE } else { 0 };
    let attributes = ptr::from_ref(attributes) as usize;
    let size = size_of::<MountAttributes>();
    done(call(
        libc::SYS_mount_setattr,
        [word(libc::AT_FDCWD), at(target), flags, attributes, size, 0],
    ))
}

pub(super) fn pivot_root(new: &CStr, old: &CStr) -> Result<(), Errno> {
    done(call(libc::SYS_pivot_root, [at(new), at(old), 0, 0, 0, 0]))
}

pub(super) fn change_folder(path: &CStr) -> Result<(), Errno> {
    done(call(libc::SYS_chdir, [at(path), 0, 0, 0, 0, 0]))
}

/// Gives up every group but `gid` and these, then every user but `uid`, of this process only.
pub(super) fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Errno> {
    let (uid, gid) = (uid as usize, gid as usize);
    call(libc::SYS_setgroups, [groups.len(), groups.as_ptr() as usize, 0, 0, 0, 0])?;
    call(libc::SYS_setresgid, [gid, gid, gid, 0, 0, 0])?;
    done(call(libc::SYS_setresuid, [uid, uid, uid, 0, 0, 0]))
}

/// Sets a resource limit of this process.
pub(super) fn limit(resource: u32, limit: &libc::rlimit) -> Result<(), Errno> {
    let limit = ptr::from_ref(limit) as usize;
    done(call(libc::SYS_prlimit64, [0, resource as usize, limit, 0, 0, 0]))
}

/// A signal's action becomes the default one.
pub(super) fn default_action(signal: i32) -> Result<(), Errno> {
    // The kernel's own `struct sigaction`: the action, flags, a restorer, a mask of 64 bits.
    let action = [0_u64; 4];
    let action = ptr::from_ref(&action) as usize;
    done(call(libc::SYS_rt_sigaction, [word(signal), action, 0, 8, 0, 0]))
}

/// Replaces the set of blocked signals; returns what it was.
pub(super) fn block_signals(blocked: u64) -> u64 {
    let mut before = 0_u64;
    let set = ptr::from_ref(&blocked) as usize;
    let old = ptr::from_mut(&mut before) as usize;
    let _ = call(libc::SYS_rt_sigprocmask, [word(libc::SIG_SETMASK), set, old, 8, 0, 0]);
    before
}

/// Whether what a pidfd is about has ended.
pub(super) fn has_ended(pidfd: i32) -> bool {
    let mut poll = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
    let now = [0_u64; 2];
    let (poll, now) = (ptr::from_mut(&mut poll) as usize, ptr::from_ref(&now) as usize);
    !matches!(call(libc::SYS_ppoll, [poll, 1, now, 0, 8, 0]), Ok(0))
}

/// Turns the loopback interface of this network namespace on.
pub(super) fn loopback_on() -> Result<(), Errno> {
    const NAME: [u8; 16] = *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    /// The beginning of the kernel's `struct ifreq`, and room for the rest.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let up = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(|_| libc::EINVAL)?;
    let request = Request { name: NAME, flags: up, rest: [0; 22] };
    ask(libc::AF_INET, libc::SIOCSIFFLAGS, ptr::from_ref(&request) as usize)
}

/// Gives this thread a network of its own, with nobody else in it.
pub(super) fn own_network() -> Result<(), Errno> {
    done(call(libc::SYS_unshare, [word(libc::CLONE_NEWNET), 0, 0, 0, 0, 0]))
}

/// Moves this process into the network that a descriptor stands for.
pub(super) fn join_network(namespace: i32) -> Result<(), Errno> {
    let kind = word(libc::CLONE_NEWNET);
    done(call(libc::SYS_setns, [word(namespace), kind, 0, 0, 0, 0]))
}

/// Gives the loopback interface of this network one more address, if of version 4 as its alias of this number.
pub(super) fn add_to_loopback(ip: IpAddr, number: u32) -> Result<(), Errno> {
    match ip {
        IpAddr::V4(ip) => {
            change_alias(number, ip.octets(), libc::SIOCSIFADDR)?;
            // Itself only: the addresses around it are not there.
            change_alias(number, [255; 4], libc::SIOCSIFNETMASK)
        }
        IpAddr::V6(ip) => {
            /// The kernel's `struct in6_ifreq`.
            #[repr(C)]
            struct Request {
                address: [u8; 16],
                prefix: u32,
                interface: i32,
            }
            // Loopback is the first interface of every network.
            let request = Request { address: ip.octets(), prefix: 128, interface: 1 };
            ask(libc::AF_INET6, libc::SIOCSIFADDR, ptr::from_ref(&request) as usize)
        }
    }
}

/// Sets an address of an alias of loopback.
fn change_alias(number: u32, address: [u8; 4], order: libc::c_ulong) -> Result<(), Errno> {
    /// The kernel's `struct ifreq` with a `struct sockaddr_in`.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        family: u16,
        port: u16,
        address: [u8; 4],
        rest: [u8; 16],
    }
    let label = format!("lo:{number}");
    let mut name = [0; 16];
    name.get_mut(..label.len()).ok_or(libc::EINVAL)?.copy_from_slice(label.as_bytes());
    let family = u16::try_from(libc::AF_INET).map_err(|_| libc::EINVAL)?;
    let request = Request { name, family, port: 0, address, rest: [0; 16] };
    ask(libc::AF_INET, order, ptr::from_ref(&request) as usize)
}

/// Asks for a change of an interface.
fn ask(family: i32, order: libc::c_ulong, request: usize) -> Result<(), Errno> {
    let kind = word(libc::SOCK_DGRAM | libc::SOCK_CLOEXEC);
    let socket = call(libc::SYS_socket, [word(family), kind, 0, 0, 0, 0])?;
    let order = usize::try_from(order).map_err(|_| libc::EINVAL)?;
    let result = call(libc::SYS_ioctl, [socket, order, request, 0, 0, 0]);
    let _ = call(libc::SYS_close, [socket, 0, 0, 0, 0, 0]);
    done(result)
}

/// A set of Landlock rules that handles what `attributes` names; the size says which version it is.
pub(super) fn landlock_create(attributes: &[u64; 3], size: usize) -> Result<i32, Errno> {
    let size = size.min(size_of_val(attributes));
    let at = ptr::from_ref(attributes) as usize;
    let fd = call(libc::SYS_landlock_create_ruleset, [at, size, 0, 0, 0, 0])?;
    i32::try_from(fd).map_err(|_| libc::EMFILE)
}

/// The version of Landlock that the kernel has.
pub(super) fn landlock_version() -> Result<usize, Errno> {
    call(libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0, 0])
}

/// Lets a set of rules allow `access` at and below `parent`.
pub(super) fn landlock_allow(rules: i32, access: u64, parent: i32) -> Result<(), Errno> {
    const PATH_BENEATH: usize = 1;
    /// The kernel's `struct landlock_path_beneath_attr`.
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        parent: i32,
    }
    let beneath = Beneath { access, parent };
    let at = ptr::from_ref(&beneath) as usize;
    done(call(libc::SYS_landlock_add_rule, [word(rules), PATH_BENEATH, at, 0, 0, 0]))
}

/// Puts this process under a set of rules.
pub(super) fn landlock_restrict(rules: i32) -> Result<(), Errno> {
    done(call(libc::SYS_landlock_restrict_self, [word(rules), 0, 0, 0, 0, 0]))
}

/// Puts this process under a filter of system calls.
pub(super) fn seccomp_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    const SET_MODE_FILTER: usize = 1;
    let length = u16::try_from(program.len()).map_err(|_| libc::E2BIG)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let at = ptr::from_ref(&program) as usize;
    done(call(libc::SYS_seccomp, [SET_MODE_FILTER, 0, at, 0, 0, 0]))
}

/// Runs a program in place of this one; returns only why it cannot.
pub(super) fn exec(
    program: &CStr,
    arguments: &super::strings::Strings,
    environment: &super::strings::Strings,
) -> Errno {
    let result = call(
        libc::SYS_execve,
        [at(program), arguments.as_ptr() as usize, environment.as_ptr() as usize, 0, 0, 0],
    );
    result.err().unwrap_or(libc::EINVAL)
}

/// Runs the program behind a descriptor in place of this one, without arguments or environment.
pub(super) fn exec_descriptor(fd: i32) -> Errno {
    let nothing = [0_usize; 1];
    let nothing = ptr::from_ref(&nothing) as usize;
    let path = at(c"");
    let result =
        call(libc::SYS_execveat, [word(fd), path, nothing, nothing, word(libc::AT_EMPTY_PATH), 0]);
    result.err().unwrap_or(libc::EINVAL)
}
