//! The first process of a task's container: it starts the task, reaps what the task leaves orphaned,
//! passes signals on to it, and says how it ended.
//!
//! It stands in front of the program for the same reasons as `init` does in a box, and writes down what an engine
//! does not tell: whether the program could be executed at all, and which signal has ended it. Its arguments
//! are the program, looked for in `PATH`, and the program's own; `/.repower-status` is a file for eight bytes:
//! 1 and the error with which the program could not be executed, or 2 and its wait status.
//!
//! Variables that an engine could not be told plainly come as `REPOWER_LONG_000000=NAME=VALUE`, and are given back
//! their names here.
#![no_std]
#![no_main]
// Nobody is there who could copy memory on behalf of the compiler.
#![no_builtins]

mod system;

use core::mem::MaybeUninit;

use system::{EINTR, SIGCHLD, WNOHANG, call, end, number, pass_on};

const STATUS: &[u8] = b"/.repower-status\0";
const NOT_EXECUTED: i32 = 1;
const ENDED: i32 = 2;

/// Where programs are looked for if nobody says.
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0";
/// The longest path that is tried.
const LONGEST: usize = 4096;

const AT_FDCWD: isize = -100;
const READ_WRITE_CLOEXEC: isize = 0o2_000_002;
const SETMASK: isize = 2;
const ENOENT: isize = -2;
const EACCES: isize = -13;

/// Writes down how it went.
fn report(status: isize, kind: i32, value: i32) {
    let said = [kind, value];
    while call(number::PWRITE, [status, &raw const said as isize, 8, 0]) == EINTR {}
}

/// Whether it was written down that the program could not be executed.
fn has_failed(status: isize) -> bool {
    let mut kind = 0_i32;
    let read = call(number::PREAD, [status, &raw mut kind as isize, 4, 0]);
    read == 4 && kind == NOT_EXECUTED
}

/// Reaps whoever has ended; does not return if the task is among them.
fn reap(task: isize, status: isize) {
    loop {
        let mut how = 0_i32;
        let pid = call(number::WAIT4, [-1, &raw mut how as isize, WNOHANG, 0]);
        if pid == task {
            if has_failed(status) {
                end(127);
            }
            report(status, ENDED, how);
            let signal = how & 0x7f;
            end(if signal == 0 { (how >> 8 & 0xff) as isize } else { 128 + signal as isize });
        }
        if pid == EINTR {
            continue;
        }
        if pid < 0 {
            end(1);
        }
        if pid == 0 {
            return;
        }
    }
}

/// The byte at `at` of a text that ends with a zero.
fn byte(text: *const u8, at: usize) -> u8 {
    // SAFETY: no caller goes beyond the zero.
    unsafe { *text.add(at) }
}

/// The value of `PATH`.
fn path(environment: *const *const u8) -> *const u8 {
    let mut next = environment;
    loop {
        // SAFETY: the kernel has put a null behind the last variable.
        let variable = unsafe { *next };
        if variable.is_null() {
            return PATH.as_ptr();
        }
        let name = b"PATH=";
        let mut at = 0;
        while at < name.len() && byte(variable, at) == name[at] {
            at += 1;
        }
        if at == name.len() {
            // SAFETY: so much of it was just read.
            return unsafe { variable.add(at) };
        }
        // SAFETY: this one was not the last.
        next = unsafe { next.add(1) };
    }
}

/// What stands before a variable that has come under another name, but for six digits and `=`.
const ALIAS: &[u8] = b"REPOWER_LONG_";
const DIGITS: usize = 6;

/// Stands in the place of a variable that another one has replaced.
const NOTHING: &[u8] = b"\0";

/// The variable as the program is to find it, if it has come under another name.
fn own(variable: *const u8) -> Option<*const u8> {
    let mut at = 0;
    while at < ALIAS.len() {
        if byte(variable, at) != ALIAS[at] {
            return None;
        }
        at += 1;
    }
    while at < ALIAS.len() + DIGITS {
        if !byte(variable, at).is_ascii_digit() {
            return None;
        }
        at += 1;
    }
    if byte(variable, at) != b'=' {
        return None;
    }
    // SAFETY: so much of it was just read.
    Some(unsafe { variable.add(at + 1) })
}

/// Whether two variables have the same name.
fn is_same(one: *const u8, other: *const u8) -> bool {
    let mut at = 0;
    while byte(one, at) == byte(other, at) {
        if matches!(byte(one, at), 0 | b'=') {
            return true;
        }
        at += 1;
    }
    false
}

/// Gives variables their own names, in the place of those that have them already, as those of the image.
fn rename(environment: *mut *const u8) {
    // SAFETY, of all that follows: the kernel has put a null behind the last variable, nobody goes beyond it, and
    // nobody else looks at the variables meanwhile.
    let variable = |at: usize| unsafe { *environment.add(at) };
    let put = |at: usize, variable: *const u8| unsafe { *environment.add(at) = variable };
    let mut at = 0;
    while !variable(at).is_null() {
        if let Some(own) = own(variable(at)) {
            let mut other = 0;
            while !variable(other).is_null() {
                if is_same(variable(other), own) {
                    put(other, NOTHING.as_ptr());
                }
                other += 1;
            }
            put(at, own);
        }
        at += 1;
    }
    let (mut from, mut to) = (0, 0);
    while !variable(from).is_null() {
        if byte(variable(from), 0) != 0 {
            put(to, variable(from));
            to += 1;
        }
        from += 1;
    }
    put(to, core::ptr::null());
}

/// Becomes the program; returns the error if that cannot be.
fn execute(arguments: *const *const u8, environment: *const *const u8) -> isize {
    // SAFETY: there is a null at least.
    let name = unsafe { *arguments };
    if name.is_null() || byte(name, 0) == 0 {
        return ENOENT;
    }
    let attempt = |file: *const u8| {
        call(number::EXECVE, [file as isize, arguments as isize, environment as isize, 0])
    };
    let mut length = 0;
    let mut is_path = false;
    while byte(name, length) != 0 {
        is_path |= byte(name, length) == b'/';
        length += 1;
    }
    if is_path {
        return attempt(name);
    }
    let mut file = MaybeUninit::<[u8; LONGEST]>::uninit();
    let file = file.as_mut_ptr().cast::<u8>();
    let (path, mut at, mut error) = (path(environment), 0, ENOENT);
    loop {
        let mut end = 0;
        while byte(path, at) != b':' && byte(path, at) != 0 {
            if end + length + 2 < LONGEST {
                // SAFETY: it fits.
                unsafe { *file.add(end) = byte(path, at) };
                end += 1;
            }
            at += 1;
        }
        if end > 0 && end + length + 2 < LONGEST {
            // SAFETY: it fits, the zero included.
            unsafe {
                *file.add(end) = b'/';
                let mut letter = 0;
                while letter <= length {
                    *file.add(end + 1 + letter) = byte(name, letter);
                    letter += 1;
                }
            }
            let failed = attempt(file);
            if error != EACCES && failed != ENOENT {
                error = failed;
            }
        }
        if byte(path, at) == 0 {
            return error;
        }
        at += 1;
    }
}

#[unsafe(no_mangle)]
extern "C" fn run(stack: *mut usize) -> ! {
    // SAFETY: the kernel has put there how many arguments there are, they, a null, the variables, a null.
    let (arguments, environment) =
        unsafe { (stack.add(2).cast::<*const u8>(), stack.add(*stack + 2).cast::<*const u8>()) };
    rename(environment.cast_mut());
    let (all, none) = (u64::MAX, 0_u64);
    call(number::SIGPROCMASK, [SETMASK, &raw const all as isize, 0, 8]);
    let status =
        call(number::OPENAT, [AT_FDCWD, STATUS.as_ptr() as isize, READ_WRITE_CLOEXEC, 0]);
    if status < 0 {
        end(125);
    }
    let task = call(number::CLONE, [SIGCHLD, 0, 0, 0]);
    if task == 0 {
        call(number::SETSID, [0; 4]);
        call(number::SIGPROCMASK, [SETMASK, &raw const none as isize, 0, 8]);
        let error = execute(arguments, environment);
        report(status, NOT_EXECUTED, -error as i32);
        end(127);
    }
    if task < 0 {
        report(status, NOT_EXECUTED, -task as i32);
        end(126);
    }
    loop {
        reap(task, status);
        pass_on(task);
    }
}
