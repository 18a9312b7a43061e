//! Who may talk to an executor, and to whom an agent talks.

use std::io::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use repower_agent::Error;

use crate::fake::Fake;
use crate::house::{Agent, House};
use crate::killed::spawn;

/// Nobody in particular.
const OTHER: u32 = 65_534;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        drop(writeln!(std::io::stderr(), "SKIPPED: only root becomes another user"));
    }
    is_root
}

/// Lets everybody come to something.
fn open_up(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// How many bytes a user is greeted with at a socket.
fn greeted(user: u32, socket: &Path) -> usize {
    let script = r#"socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un($ARGV[0])) or die "no way: $!";
        $count = sysread(S, $said, 99); print defined $count ? $count : 0"#;
    let mut perl = Command::new("perl");
    let said = perl.args(["-MSocket", "-e", script]).arg(socket).uid(user).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_who_gets_to_the_socket_is_sent_away_without_a_word() {
    if !is_root() {
        return;
    }
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    fake.linked().await;
    let socket = house.data().join("executor/socket");
    // Without an agent it greets whoever may come.
    agent.kill();
    for path in [house.folder.path(), &house.data(), &house.data().join("executor"), &socket] {
        open_up(path);
    }

    assert_eq!(greeted(OTHER, &socket), 0);
    assert!(greeted(0, &socket) > 0, "its own user is greeted");

    let hellos = fake.memory().hellos.len();
    let next = spawn(&house);
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_does_not_talk_to_an_executor_of_another_user() {
    if !is_root() {
        return;
    }
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let folder = house.data().join("executor");
    std::fs::create_dir_all(&folder).unwrap();
    for path in [house.folder.path(), &house.data(), &folder] {
        open_up(path);
    }
    let script = r#"socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0])) or die "no: $!"; listen(S, 1);
        $| = 1; print "up\n"; accept(C, S); print sysread(C, $said, 99) ? "heard\n" : "nothing\n""#;
    let mut perl = Command::new("perl");
    perl.args(["-MSocket", "-e", script]).arg(folder.join("socket")).uid(OTHER);
    let mut perl = perl.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(perl.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "up");

    let error = Agent::start(house.options()).end().await.unwrap_err();

    assert!(matches!(error, Error::ForeignExecutor { .. }), "{error:?}");
    assert_eq!(said.next().unwrap().unwrap(), "nothing", "it was told nothing");
    perl.wait().unwrap();
}
