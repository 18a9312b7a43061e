//! What the programs of this folder share: system calls without a library, and where the kernel enters.

use core::arch::{asm, global_asm};

pub const SIGCHLD: isize = 17;
pub const WNOHANG: isize = 1;
pub const EINTR: isize = -4;

#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const WRITE: isize = 1;
    pub const WAIT4: isize = 61;
    pub const KILL: isize = 62;
    pub const SIGTIMEDWAIT: isize = 128;
    pub const EXIT_GROUP: isize = 231;
    #[cfg(front)]
    pub const SIGPROCMASK: isize = 14;
    #[cfg(front)]
    pub const PREAD: isize = 17;
    #[cfg(front)]
    pub const PWRITE: isize = 18;
    #[cfg(front)]
    pub const CLONE: isize = 56;
    #[cfg(front)]
    pub const EXECVE: isize = 59;
    #[cfg(front)]
    pub const SETSID: isize = 112;
    #[cfg(front)]
    pub const OPENAT: isize = 257;
}

#[cfg(target_arch = "aarch64")]
pub mod number {
    pub const WRITE: isize = 64;
    pub const EXIT_GROUP: isize = 94;
    pub const KILL: isize = 129;
    pub const SIGTIMEDWAIT: isize = 137;
    pub const WAIT4: isize = 260;
    #[cfg(front)]
    pub const OPENAT: isize = 56;
    #[cfg(front)]
    pub const PREAD: isize = 67;
    #[cfg(front)]
    pub const PWRITE: isize = 68;
    #[cfg(front)]
    pub const SIGPROCMASK: isize = 135;
    #[cfg(front)]
    pub const SETSID: isize = 157;
    #[cfg(front)]
    pub const CLONE: isize = 220;
    #[cfg(front)]
    pub const EXECVE: isize = 221;
}

#[cfg(target_arch = "x86_64")]
pub fn call(number: isize, a: [isize; 4]) -> isize {
    let result;
    // SAFETY: the callers hand the kernel pointers to live variables of the right size only.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1],
            in("rdx") a[2], in("r10") a[3], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

#[cfg(target_arch = "aarch64")]
pub fn call(number: isize, a: [isize; 4]) -> isize {
    let result;
    // SAFETY: the callers hand the kernel pointers to live variables of the right size only.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1],
            in("x2") a[2], in("x3") a[3], options(nostack));
    }
    result
}

/// As much of the kernel's `siginfo_t` as is looked at; the kernel writes 128 bytes.
#[repr(C)]
struct Info {
    signal: i32,
    errno: i32,
    code: i32,
    rest: [i32; 29],
}

/// Waits for a signal, and passes it on to the process group `group`, unless it says that a child has ended.
pub fn pass_on(group: isize) {
    let all = u64::MAX;
    let mut info = Info { signal: 0, errno: 0, code: 0, rest: [0; 29] };
    let at = &raw mut info as isize;
    let signal = call(number::SIGTIMEDWAIT, [&raw const all as isize, at, 0, 8]);
    // A child that ends says so with a positive code; anything else was sent by somebody.
    if signal > 0 && (signal != SIGCHLD || info.code <= 0) {
        call(number::KILL, [-group, signal, 0, 0]);
    }
}

pub fn end(code: isize) -> ! {
    loop {
        call(number::EXIT_GROUP, [code, 0, 0, 0]);
    }
}

// Where the kernel enters: what it has put on the stack is told to `run`, on a stack as functions expect it.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call run",
    "ud2"
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "bl run", "brk 1");

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(1)
}
