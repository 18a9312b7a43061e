//! Which system calls a boxed task may not make.
//!
//! A list of what is denied, not of what is allowed: jobs are other people's programs, and an allow
//! list breaks them with every new libc. Denied is what reaches out of the box (other processes'
//! memory, mounts, namespaces, the kernel itself), and what has been the way out of boxes most often.

use libc::{c_long, sock_filter};

/// A filter for the kernel, made once.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    program: Vec<sock_filter>,
}

/// Denied with "operation not permitted".
const DENIED: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Namespaces and what is mounted.
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Keys of other sessions.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Said not to exist, because programs then take the older call, which can be looked into.
const ABSENT: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// New namespaces of any kind, as `clone` and `unshare` are asked for them.
const NAMESPACES: u32 = 0x7E02_0000;

/// The request by which a program types into its terminal.
const TYPE_INTO_TERMINAL: u32 = 0x5412;

/// The kind of sockets by which a virtual machine talks to its host, whatever the network namespace.
const HOST_SOCKETS: u32 = 40;

#[cfg(target_arch = "x86_64")]
const MACHINE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const MACHINE: u32 = 0xC000_00B7;

/// Where the kernel puts what a filter looks at.
mod at {
    pub(super) const NUMBER: u32 = 0;
    pub(super) const MACHINE: u32 = 4;
    /// The lower half of an argument.
    pub(super) const fn argument(which: u32) -> u32 {
        16 + 8 * which
    }
}

const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
#[cfg(target_arch = "x86_64")]
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7FFF_0000;
const KILL: u32 = 0x8000_0000;
const fn refuse(errno: i32) -> u32 {
    0x0005_0000 | errno.cast_unsigned()
}

impl Filter {
    /// The one filter for this machine.
    pub(crate) fn new() -> Self {
        let mut program = vec![
            step(LOAD, 0, 0, at::MACHINE),
            step(IF_EQUAL, 1, 0, MACHINE),
            step(RETURN, 0, 0, KILL),
            step(LOAD, 0, 0, at::NUMBER),
        ];
        // The second table of calls that an x86-64 kernel may have for 32-bit pointers.
        #[cfg(target_arch = "x86_64")]
        program.extend([
            step(IF_AT_LEAST, 0, 1, 0x4000_0000),
            step(RETURN, 0, 0, refuse(libc::ENOSYS)),
        ]);
        let lists = [(DENIED, libc::EPERM), (ABSENT, libc::ENOSYS)];
        for (number, errno) in
            lists.iter().flat_map(|(list, errno)| list.iter().map(move |number| (*number, *errno)))
        {
            program.extend([step(IF_EQUAL, 0, 1, call(number)), step(RETURN, 0, 0, refuse(errno))]);
        }
        let looked_into = [
            (libc::SYS_clone, 0, IF_ANY_BIT, NAMESPACES),
            (libc::SYS_unshare, 0, IF_ANY_BIT, NAMESPACES),
            (libc::SYS_ioctl, 1, IF_EQUAL, TYPE_INTO_TERMINAL),
            (libc::SYS_socket, 0, IF_EQUAL, HOST_SOCKETS),
        ];
        for (number, argument, test, value) in looked_into {
            program.extend([
                step(IF_EQUAL, 0, 4, call(number)),
                step(LOAD, 0, 0, at::argument(argument)),
                step(test, 0, 1, value),
                step(RETURN, 0, 0, refuse(libc::EPERM)),
                step(RETURN, 0, 0, ALLOW),
            ]);
        }
        program.push(step(RETURN, 0, 0, ALLOW));
        Self { program }
    }

    pub(super) fn program(&self) -> &[sock_filter] {
        &self.program
    }
}

/// A number of a call as the filter sees it.
fn call(number: c_long) -> u32 {
    u32::try_from(number).expect("calls are numbered from 0 to some hundreds")
}

/// One step: what, how many steps to skip if so and if not, with which number.
const fn step(code: u16, if_so: u8, if_not: u8, number: u32) -> sock_filter {
    sock_filter { code, jt: if_so, jf: if_not, k: number }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter says to a call: the few instructions that it uses, as the kernel reads them.
    fn answer(machine: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let filter = Filter::new();
        let (mut at, mut loaded) = (0_usize, 0);
        loop {
            let sock_filter { code, jt, jf, k } = filter.program[at];
            at += 1;
            let holds = match code {
                LOAD => {
                    loaded = match k {
                        at::NUMBER => number,
                        at::MACHINE => machine,
                        k if k == at::argument(0) => arguments[0],
                        k if k == at::argument(1) => arguments[1],
                        _ => panic!("the filter looks at {k}"),
                    };
                    continue;
                }
                RETURN => return k,
                IF_EQUAL => loaded == k,
                IF_ANY_BIT => loaded & k != 0,
                _ => loaded >= k,
            };
            at += usize::from(if holds { jt } else { jf });
        }
    }

    #[test]
    fn what_reaches_out_of_the_box_is_denied_and_the_rest_is_not() {
        let ask = |number: c_long| answer(MACHINE, call(number), [0, 0]);

        assert_eq!(ask(libc::SYS_ptrace), refuse(libc::EPERM));
        assert_eq!(ask(libc::SYS_mount), refuse(libc::EPERM));
        assert_eq!(ask(libc::SYS_clone3), refuse(libc::ENOSYS));
        for allowed in [
            libc::SYS_read,
            libc::SYS_clone,
            libc::SYS_socket,
            libc::SYS_ioctl,
            libc::SYS_exit_group,
        ] {
            assert_eq!(ask(allowed), ALLOW);
        }
    }

    #[test]
    fn arguments_decide_where_the_call_alone_does_not() {
        let ask = |number: c_long, arguments| answer(MACHINE, call(number), arguments);
        let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
        let namespaces = [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWNET,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWCGROUP,
        ];

        assert_eq!(ask(libc::SYS_clone, [thread.cast_unsigned(), 0]), ALLOW);
        for flag in namespaces {
            let flag = flag.cast_unsigned();
            assert_eq!(ask(libc::SYS_clone, [flag | 0x11, 0]), refuse(libc::EPERM));
            assert_eq!(ask(libc::SYS_unshare, [flag, 0]), refuse(libc::EPERM));
        }
        assert_eq!(ask(libc::SYS_unshare, [libc::CLONE_FILES.cast_unsigned(), 0]), ALLOW);
        assert_eq!(ask(libc::SYS_ioctl, [0, TYPE_INTO_TERMINAL]), refuse(libc::EPERM));
        assert_eq!(ask(libc::SYS_ioctl, [0, 0x5413]), ALLOW);
        assert_eq!(ask(libc::SYS_socket, [HOST_SOCKETS, 1]), refuse(libc::EPERM));
    }

    #[test]
    fn calls_of_another_machine_kill_and_those_of_the_second_table_do_not_exist() {
        assert_eq!(answer(0x4000_0003, 1, [0, 0]), KILL);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(answer(MACHINE, 0x4000_0001, [0, 0]), refuse(libc::ENOSYS));
    }

    #[test]
    fn the_filter_is_as_short_as_the_kernel_wants_it() {
        assert!(Filter::new().program.len() < 4096);
    }
}
