//! The first process of a task's own pid namespace: it reaps what the task leaves orphaned, passes
//! signals on to the task, and says how the task ended.
//!
//! A program is seldom written to be process 1: the kernel ignores every signal that such a process
//! does not handle, SIGTERM among them, and nobody else would reap orphans. So this stands in front.
//! It is started with all signals blocked, when process 2, the task, runs already, and with
//! descriptor 3 for the task's wait status. When it ends the kernel kills whatever is left.
//!
//! No libc, no allocation, no standard library: a page of code and a page of stack.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

/// The task: what its launcher has started before this.
const TASK: isize = 2;

/// Where the task's wait status goes.
const REPORT: isize = 3;

const SIGCHLD: isize = 17;
const WNOHANG: isize = 1;
const EINTR: isize = -4;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: isize = 1;
    pub const WAIT4: isize = 61;
    pub const KILL: isize = 62;
    pub const SIGTIMEDWAIT: isize = 128;
    pub const EXIT_GROUP: isize = 231;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const WRITE: isize = 64;
    pub const EXIT_GROUP: isize = 94;
    pub const KILL: isize = 129;
    pub const SIGTIMEDWAIT: isize = 137;
    pub const WAIT4: isize = 260;
}

#[cfg(target_arch = "x86_64")]
fn call(number: isize, a: [isize; 4]) -> isize {
    let result;
    // SAFETY: the callers hand the kernel pointers to live variables of the right size only.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1],
            in("rdx") a[2], in("r10") a[3], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

#[cfg(target_arch = "aarch64")]
fn call(number: isize, a: [isize; 4]) -> isize {
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

fn end(code: isize) -> ! {
    loop {
        call(number::EXIT_GROUP, [code, 0, 0, 0]);
    }
}

/// Reaps whoever has ended; does not return if the task is among them.
fn reap() {
    loop {
        let mut status = 0_i32;
        let at = &raw mut status as isize;
        let pid = call(number::WAIT4, [-1, at, WNOHANG, 0]);
        if pid == TASK {
            while call(number::WRITE, [REPORT, at, 4, 0]) == EINTR {}
            end(0);
        }
        if pid == EINTR {
            continue;
        }
        if pid < 0 {
            // No children: the task cannot be watched.
            end(1);
        }
        if pid == 0 {
            return;
        }
    }
}

// Where the kernel enters: the stack as functions expect it, then on.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call run", "ud2");
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "bl run", "brk 1");

#[unsafe(no_mangle)]
extern "C" fn run() -> ! {
    let all = u64::MAX;
    loop {
        reap();
        let mut info = Info { signal: 0, errno: 0, code: 0, rest: [0; 29] };
        let at = &raw mut info as isize;
        let signal = call(number::SIGTIMEDWAIT, [&raw const all as isize, at, 0, 8]);
        // A child that ends says so with a positive code; anything else was sent by somebody.
        if signal > 0 && (signal != SIGCHLD || info.code <= 0) {
            call(number::KILL, [-TASK, signal, 0, 0]);
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(1)
}
