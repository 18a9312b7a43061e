//! Tasks that somebody traces: the end of such a one is told to who traces it first.

use std::io;
use std::io::Write as _;
use std::sync::mpsc;

use crate::fake::Fake;
use crate::house::House;
use crate::killed::pids;
use crate::orders::{command, shell};

/// Traces a process until it has ended, says so, and lets go of it when it is told to.
fn trace(pid: i32, say: &mpsc::SyncSender<io::Result<()>>, let_go: &mpsc::Receiver<()>) {
    // SAFETY: it takes numbers only.
    #[expect(unsafe_code, reason = "no safe call traces a process")]
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    say.send(if seized == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }).unwrap();
    if seized != 0 {
        return;
    }
    let traced = rustix::process::Pid::from_raw(pid).unwrap();
    let ended = rustix::process::WaitIdOptions::EXITED;
    let stays = ended | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(traced), stays).unwrap();
    say.send(Ok(())).unwrap();
    let_go.recv().unwrap();
    rustix::process::waitid(rustix::process::WaitId::Pid(traced), ended).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_of_a_task_that_is_traced_is_not_lost() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let gate = house.folder.path().join("gate");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &gate, kind, mode, 0).unwrap();

    let line = format!("echo $$; read line < {}; exit 7", gate.display());
    let traced = fake.run(1, shell(&line)).await;
    let pid = pids(&fake, traced, 1).await[0];
    let (say, said) = mpsc::sync_channel(2);
    let (let_go, told) = mpsc::sync_channel(1);
    let tracer = std::thread::spawn(move || trace(pid, &say, &told));
    if let Err(error) = said.recv().unwrap() {
        drop(writeln!(std::io::stderr(), "SKIPPED: this host lets nobody trace a task: {error}"));
        return agent.stop().await.unwrap();
    }
    tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    let said = tokio::task::spawn_blocking(move || said.recv().unwrap()).await.unwrap();
    said.unwrap();
    // When these are over, the executor has heard of the end before theirs.
    for job in 2..6 {
        let other = fake.run(job, command(&["true"])).await;
        assert_eq!(fake.ended(other).await.outcome.unwrap().exit_code, 0);
    }
    assert!(fake.memory().ended(traced).is_none(), "who traces it has not let go of it");
    let_go.send(()).unwrap();

    assert_eq!(fake.ended(traced).await.outcome.unwrap().exit_code, 7);
    tracer.join().unwrap();
    agent.stop().await.unwrap();
}
