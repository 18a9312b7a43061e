//! The escape suite: what a hostile task tries on each level, run for real, and compared with the
//! table in `docs/isolation.md`.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::harness::{End, Level, Room, limits};
use crate::sandbox::abilities::name;
use crate::sandbox::cgroup::Limits;
use crate::sandbox::device_tree;
use crate::sandbox::devices::Devices;

/// What is tried, and a script that prints OPEN if it succeeds. Words in capitals stand for what
/// the world below has.
const ATTEMPTS: &[(&str, &str)] = &[
    ("read another project's files", "grep -q secret OTHER/secret && echo OPEN"),
    ("write to another project's files", "echo x >> OTHER/secret && echo OPEN"),
    ("read the agent's key", "grep -q secret DATA/agent.key && echo OPEN"),
    (
        "connect to the agent's socket",
        r#"perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); print "OPEN" if connect(S, sockaddr_un("DATA/agent.sock"))'"#,
    ),
    ("see what others have in /tmp and /dev/shm", "ls /tmp /dev/shm | grep -q CANARY && echo OPEN"),
    ("change the system's programs", "touch /usr/bin/CANARY && echo OPEN; rm -f /usr/bin/CANARY"),
    (
        "change the kernel's settings",
        "f=/proc/sys/kernel/threads-max; v=$(cat $f) && echo $v > $f && echo OPEN",
    ),
    (
        "join another control group",
        "for f in /sys/fs/cgroup/*/tasks /sys/fs/cgroup/cgroup.procs; do echo $$ > $f && echo OPEN && break; done",
    ),
    ("see other processes", "test -e /proc/VICTIM/stat && echo OPEN"),
    ("signal other processes", "kill -0 VICTIM && echo OPEN"),
    (
        "trace other processes",
        r#"perl -e 'print "OPEN" if syscall(TRACE, 16, VICTIM, 0, 0) == 0; syscall(TRACE, 17, VICTIM, 0, 0)'"#,
    ),
    (
        "attach to others' shared memory",
        r#"perl -e 'print "OPEN" if defined shmget(SHARED, 1, 0)'"#,
    ),
    ("open the kernel's log", "head -c0 < /dev/kmsg && echo OPEN"),
    (
        "make a device",
        r#"perl -e 'print "OPEN" if syscall(MKNOD, $n = "./device", 020666, 0x103) == 0 && open(F, "<", $n)'"#,
    ),
    (
        "open a GPU of another task",
        "for f in /dev/nvidia0 GPUS/dev/nvidia0; do head -c0 < $f && echo OPEN; done",
    ),
    (
        "make a device file of such a GPU, and open it",
        r#"perl -e 'print "OPEN" if syscall(MKNOD, $n = "./gpu", 020666, 0x107) == 0 && open(F, "<", $n)'"#,
    ),
    (
        "mount a file system",
        r#"mkdir m; perl -e 'print "OPEN" if syscall(MOUNT, $n = "none", $m = "m", $t = "tmpfs", 0, 0) == 0' && umount m"#,
    ),
    ("make a user namespace", r#"perl -e 'print "OPEN" if syscall(UNSHARE, 0x10000000) == 0'"#),
    (
        "load a program into the kernel",
        r#"perl -e '$! = 0; syscall(BPF, 0, 0, 0); print "OPEN" unless $!{EPERM}'"#,
    ),
    (
        "gain privileges by a setuid program",
        "grep -q 'NoNewPrivs:.0' /proc/self/status && echo OPEN",
    ),
    (
        "connect to others over the network",
        r#"perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0); print "OPEN" if connect(S, sockaddr_in(PORT, inet_aton("127.0.0.1")))'"#,
    ),
    (
        "send datagrams to others, as to a name server",
        r#"perl -MSocket -e 'socket(S,AF_INET,SOCK_DGRAM,0); connect(S, sockaddr_in(UDP, inet_aton("127.0.0.1"))); send(S,"x",0); print "OPEN" if defined recv(S,$x,9,0) && $x'"#,
    ),
    (
        "open a raw socket",
        r#"perl -MSocket -e 'print "OPEN" if socket(S,AF_INET,SOCK_RAW,1) || socket(S,17,SOCK_RAW,0)'"#,
    ),
    (
        "leave its network for that of the node",
        r#"perl -e 'open(F,"<","/proc/VICTIM/ns/net"); print "OPEN" if fileno(F) && syscall(SETNS, fileno(F), 0x40000000) == 0'"#,
    ),
    (
        "connect to others' abstract sockets",
        r#"perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); print "OPEN" if connect(S, pack("Sa*", AF_UNIX, "\0CANARY"))'"#,
    ),
    (
        "talk to the host of a virtual machine",
        r#"perl -MSocket -e 'print "OPEN" if socket(S,40,SOCK_STREAM,0) || !$!{EPERM}'"#,
    ),
    ("use more memory than its limit", r#"perl -e '$x = "x" x 200_000_000; print "OPEN"'"#),
    (
        "start more processes than its limit",
        r#"perl -e 'for (1..100) { $p = fork; exit unless defined $p; sleep 600 unless $p } print "OPEN"'"#,
    ),
    (
        "outlive its task in another session",
        r#"perl -MPOSIX -e 'exit if fork; POSIX::setsid(); exit if fork; open(F, ">", "WITNESS"); print F $$; close F; close STDOUT; close STDERR; sleep 600'; while ! test -s WITNESS; do :; done"#,
    ),
];

/// What there is to reach for.
pub(super) struct World {
    pub(super) room: Room,
    limits: Limits,
    /// The files of GPUs, where whoever tries may make such.
    gpus: TempDir,
    other: PathBuf,
    victim: Child,
    _socket: UnixListener,
    _abstract: UnixListener,
    tcp: TcpListener,
    datagrams: SocketAddrV4,
    shared: i32,
    canary: String,
}

impl World {
    /// One in which tasks have these limits.
    pub(super) fn new(limits: Limits) -> Self {
        let (room, gpus) = if rustix::process::geteuid().is_root() {
            // Those of another task and of those that are tried: `full` and `zero`.
            let gpus = device_tree(&[("nvidia0", 7), ("nvidia1", 5)]);
            (Room { gpus: vec![1], ..Room::with(Devices::look(gpus.path())) }, gpus)
        } else {
            (Room::new(), TempDir::new().unwrap())
        };
        let data = room.folder.path().to_owned();
        let other = room.work("other");
        secret(&other.join("secret"));
        secret(&data.join("agent.key"));
        let canary = format!("repower-canary-{}", std::process::id());
        for folder in ["/tmp", "/dev/shm"] {
            fs::write(Path::new(folder).join(&canary), "").unwrap();
        }
        let address = SocketAddr::from_abstract_name(&canary).unwrap();
        // SAFETY: shmget takes three numbers.
        #[expect(unsafe_code, reason = "no safe call makes shared memory of this kind")]
        let shared = unsafe { libc::shmget(shared_key(), 4096, libc::IPC_CREAT | 0o666) };
        assert!(shared >= 0);
        let datagrams = echo();
        Self {
            datagrams,
            _socket: UnixListener::bind(data.join("agent.sock")).unwrap(),
            _abstract: UnixListener::bind_addr(&address).unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            victim: Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap(),
            room,
            limits,
            gpus,
            other,
            shared,
            canary,
        }
    }

    fn script(&self, script: &str, witness: &Path) -> String {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let port = self.tcp.local_addr().unwrap().port();
        let words = [
            ("OTHER", text(&self.other)),
            ("DATA", text(self.room.folder.path())),
            ("GPUS", text(self.gpus.path())),
            ("CANARY", self.canary.clone()),
            ("VICTIM", self.victim.id().to_string()),
            ("SHARED", shared_key().to_string()),
            ("PORT", port.to_string()),
            ("UDP", self.datagrams.port().to_string()),
            ("SETNS", libc::SYS_setns.to_string()),
            ("WITNESS", text(witness)),
            ("TRACE", libc::SYS_ptrace.to_string()),
            ("MKNOD", libc::SYS_mknod.to_string()),
            ("UNSHARE", libc::SYS_unshare.to_string()),
            ("MOUNT", libc::SYS_mount.to_string()),
            ("BPF", libc::SYS_bpf.to_string()),
        ];
        words.iter().fold(script.to_owned(), |script, (word, value)| script.replace(word, value))
    }

    fn is_open(&self, level: Level, number: usize, script: &str) -> bool {
        let work = self.room.work(&format!("{level:?}-{number}"));
        let witness = work.join("witness");
        let script = self.script(script, &witness);
        let end = self.room.run_in(level, self.limits, "red", &work, &script);
        end.output.contains("OPEN") || outlives(&witness, &end)
    }
}

impl World {
    /// Tries everything on these levels, and says in a table with this head which of it worked.
    pub(super) fn table(&self, head: &str, levels: &[Level]) -> String {
        let rule = " --- |".repeat(levels.len() + 1);
        let mut table = format!("{head}\n|{rule}\n");
        // Without files of GPUs there is nothing to keep from anybody.
        let has_gpus = !self.room.gpus.is_empty();
        let all = ATTEMPTS.iter().filter(|(what, _)| has_gpus || !what.contains("GPU"));
        for (number, (what, script)) in all.enumerate() {
            let is_open = |level: &Level| self.is_open(*level, number, script);
            let cells: Vec<_> = levels
                .iter()
                .map(|level| if is_open(level) { "possible" } else { "blocked" })
                .collect();
            writeln!(table, "| {what} | {} |", cells.join(" | ")).unwrap();
        }
        eprintln!("{table}");
        table
    }
}

/// The page that has the tables: inside a virtual machine, and for other users, it lies elsewhere.
pub(super) fn page() -> PathBuf {
    let elsewhere = std::env::var_os("REPOWER_ISOLATION_PAGE").map(PathBuf::from);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/isolation.md");
    elsewhere.unwrap_or_else(|| page.into())
}

impl Drop for World {
    fn drop(&mut self) {
        self.victim.kill().unwrap();
        self.victim.wait().unwrap();
        for folder in ["/tmp", "/dev/shm"] {
            fs::remove_file(Path::new(folder).join(&self.canary)).unwrap();
        }
        // SAFETY: removing shared memory touches none of this process.
        #[expect(unsafe_code, reason = "no safe call removes shared memory of this kind")]
        unsafe {
            libc::shmctl(self.shared, libc::IPC_RMID, std::ptr::null_mut());
        }
    }
}

/// Answers every datagram with itself; returns where.
fn echo() -> SocketAddrV4 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((count, from)) = socket.recv_from(&mut bytes) {
            drop(socket.send_to(&bytes[..count], from));
        }
    });
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

/// A key that no other test process uses.
fn shared_key() -> i32 {
    0x5245_0000 + i32::try_from(std::process::id() % 0xFFFF).unwrap()
}

fn secret(path: &Path) {
    fs::write(path, "secret").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Whether a process that has written down its number still runs after the end of its task.
fn outlives(witness: &Path, end: &End) -> bool {
    let Ok(pid) = fs::read_to_string(witness) else {
        return false;
    };
    assert_eq!(end.code, Some(0), "{end:?}");
    // In its own pid namespace it has a small number there, which says nothing here; its session does.
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("WITNESS"))
        || Command::new("pgrep")
            .args(["-f", witness.to_str().unwrap()])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

#[test]
fn every_level_blocks_what_its_table_says_and_nothing_less() {
    let world = World::new(limits(Some(100), Some(32)));
    let needed = [
        name::BOXED,
        name::SEALED,
        name::ALLOW_LIST,
        name::LIMIT_MEMORY,
        name::LIMIT_PIDS,
        name::USERS,
    ];
    if !needed.iter().all(|ability| world.room.can(ability)) {
        return;
    }

    let levels = [Level::Bare, Level::Boxed, Level::Listed, Level::Sealed];
    let head = "| a task tries to | bare | boxed | boxed, places named | sealed |";
    let table = world.table(head, &levels);

    let page = fs::read_to_string(page()).unwrap();
    // The one line that a kernel before 6.12 cannot hold, as the page says below its table.
    let scoped = "abstract sockets | possible | blocked |";
    let page = if world.room.can(name::SCOPES) {
        page
    } else {
        page.replace(scoped, "abstract sockets | possible | possible |")
    };
    // And what takes control groups for devices, as the page says there, too.
    let page = if world.room.can(name::DEVICES) {
        page
    } else {
        [" another task", " such a GPU, and open it"].iter().fold(page, |page, gpu| {
            page.replace(&format!("{gpu} | blocked |"), &format!("{gpu} | possible |"))
        })
    };
    assert!(page.contains(&table), "docs/isolation.md has another table than this:\n{table}");
}
