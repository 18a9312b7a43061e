//! Gangs of real processes: their ranks meet over what Repower tells them, and end together.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use repower::client::Client;
use repower::cluster::Cluster;
use repower_proto::v1::{
    AttemptsRequest, CancelRequest, Gang, JobSpec, JobState, Layout, LogsRequest, OutcomeKind,
    Resources, Retries, TaskState, TaskSummary, Variable,
};
use support::{ended, repower, runtime, shell, start, stdout, submit, verified};

/// Where a rank writes the number of its process, below this folder.
const NOTES: &str = "GANG_NOTES";

/// The program of the gangs below: this same file, run as a rank. All ranks meet at rank 0, which
/// tells everybody when all are there. Those of a first attempt then wait to be killed, if they have
/// somewhere to note their pids.
#[test]
fn a_rank_meets_the_others() {
    let Some(rank) = variable("RANK").and_then(|rank| rank.parse().ok()) else {
        return;
    };
    let world: u32 = variable("WORLD_SIZE").unwrap().parse().unwrap();
    let place =
        format!("{}:{}", variable("MASTER_ADDR").unwrap(), variable("MASTER_PORT").unwrap());
    let attempt: u32 = variable("REPOWER_ATTEMPT").unwrap().parse().unwrap();
    if let Some(folder) = variable(NOTES) {
        let note = Path::new(&folder).join(format!("{attempt}.{rank}"));
        std::fs::write(note, std::process::id().to_string()).unwrap();
    }

    let others = if rank == 0 { gather(&place, world) } else { vec![join(&place, rank)] };

    println!("rank {rank} of {world} has met the others on {}", variable("REPOWER_NODE").unwrap());
    std::io::stdout().flush().unwrap();
    while attempt == 1 && variable(NOTES).is_some() {
        std::thread::park();
    }
    drop(others);
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// Rank 0: waits for all others, then answers each.
fn gather(place: &str, world: u32) -> Vec<TcpStream> {
    let port = place.rsplit(':').next().unwrap();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    let mut others: Vec<TcpStream> = Vec::new();
    let mut ranks = vec![0];
    while ranks.len() < usize::try_from(world).unwrap() {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        ranks.push(line.trim().parse().unwrap());
        others.push(stream);
    }
    ranks.sort_unstable();
    assert_eq!(ranks, (0..world).collect::<Vec<_>>(), "each rank came once");
    for mut other in &others {
        other.write_all(b"all here\n").unwrap();
    }
    others
}

/// Another rank: tells rank 0 that it is there, and waits for the answer.
fn join(place: &str, rank: u32) -> TcpStream {
    let mut stream = (0..600)
        .find_map(|_| {
            let found = TcpStream::connect(place).ok();
            if found.is_none() {
                // Rank 0 may not listen yet, and nothing says when it does.
                std::thread::park_timeout(Duration::from_millis(50));
            }
            found
        })
        .expect("rank 0 listens within half a minute");
    writeln!(stream, "{rank}").unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert_eq!(answer, "all here\n");
    stream
}

/// A gang of ranks of one cpu that meet.
fn meeting(nodes: u32, ranks_per_node: u32, layout: Layout) -> JobSpec {
    let this = std::env::current_exe().unwrap();
    let words = [this.to_str().unwrap(), "--exact", "a_rank_meets_the_others", "--nocapture"];
    JobSpec {
        command: words.map(str::to_owned).to_vec(),
        gang: Some(Gang { nodes, ranks_per_node, layout: layout.into() }),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..shell("true")
    }
}

/// A gang whose first attempt waits to be killed and notes its pids in a folder.
fn waiting(notes: &Path, retries: u32) -> JobSpec {
    let value = notes.to_str().unwrap().to_owned();
    JobSpec {
        environment: vec![Variable { name: NOTES.into(), value }],
        retries: Some(Retries { user: retries, system: None }),
        ..meeting(4, 1, Layout::Pack)
    }
}

/// The pid that a rank of the first attempt has noted.
fn pid(notes: &Path, rank: u32) -> u32 {
    std::fs::read_to_string(notes.join(format!("1.{rank}"))).unwrap().parse().unwrap()
}

/// Whether a process runs. One that has ended and that nobody has waited for does not.
fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until all ranks of the latest attempt have met.
async fn met(client: &Client, job: u64, world: usize) {
    let request = LogsRequest { job, follow: true, ..LogsRequest::default() };
    let mut stream = client.jobs().logs(request).await.unwrap().into_inner();
    let mut ranks = std::collections::BTreeSet::new();
    while ranks.len() < world {
        let chunk = stream.message().await.unwrap().expect("the gang goes on");
        if String::from_utf8_lossy(&chunk.data).contains("has met the others") {
            ranks.insert(chunk.rank.unwrap());
        }
    }
}

/// The attempts of a job's one task, with their ranks.
async fn attempts(client: &Client, job: u64) -> Vec<TaskSummary> {
    let request = AttemptsRequest { job, index: Some(0), ..AttemptsRequest::default() };
    client.jobs().attempts(request).await.unwrap().into_inner().attempts
}

/// Takes one cpu each of two agents, so that what is free is 1, 1 and 2.
async fn narrow(cluster: &Cluster, client: &Client) -> u64 {
    let gang = Gang { nodes: 2, ranks_per_node: 1, layout: Layout::Spread.into() };
    let resources = Some(Resources { cpu_milli: 1000, ..Resources::default() });
    let spec = JobSpec { gang: Some(gang), resources, ..shell("echo here; exec sleep 600") };
    let job = submit(client, spec).await;
    let request = LogsRequest { job, follow: true, ..LogsRequest::default() };
    let mut stream = client.jobs().logs(request).await.unwrap().into_inner();
    for _ in 0..2 {
        stream.message().await.unwrap().expect("both ranks print");
    }
    assert!(cluster.agent(2).is_some());
    job
}

/// Runs so many other jobs first: the port of a gang follows from the number of its job, and these
/// tests run beside each other on one machine, each with a cluster of its own.
async fn keep_apart(client: &Client, jobs: u64) {
    for _ in 0..jobs {
        let job = submit(client, shell("true")).await;
        assert_eq!(ended(client, job).await.state(), JobState::Succeeded);
    }
}

async fn cancel(client: &Client, job: u64) {
    let request = CancelRequest { job, reason: "done".into(), ..CancelRequest::default() };
    client.jobs().cancel(request).await.unwrap();
}

#[test]
fn four_ranks_on_three_agents_meet_over_the_variables_that_they_are_given() {
    runtime().block_on(async {
        let (folder, cluster) = start(3, Some(2)).await;
        let client = cluster.client().await.unwrap();
        let narrow = narrow(&cluster, &client).await;

        let job = submit(&client, meeting(4, 1, Layout::Pack)).await;

        assert_eq!(ended(&client, job).await.state(), JobState::Succeeded);
        let attempts = attempts(&client, job).await;
        let ranks = &attempts[0].ranks;
        let nodes: std::collections::BTreeSet<_> = ranks.iter().map(|rank| &rank.node).collect();
        assert_eq!((ranks.len(), nodes.len()), (4, 3), "{ranks:?}");
        assert!(ranks.iter().all(|rank| rank.state() == TaskState::Succeeded));
        prints_of_each(&cluster, job);
        cancel(&client, narrow).await;
        assert_eq!(ended(&client, narrow).await.state(), JobState::Cancelled);
        verified(&cluster);
        cluster.stop().await;
        drop(folder);
    });
}

/// What people see of a gang: its output rank by rank, and its ranks with their nodes.
fn prints_of_each(cluster: &Cluster, job: u64) {
    let job = job.to_string();
    let all = stdout(&repower(cluster, &["logs", &job]));
    let said: Vec<_> = all.lines().filter(|line| line.contains("has met")).collect();
    assert_eq!(said.len(), 4, "{all}");
    for (rank, line) in said.iter().enumerate() {
        assert!(line.starts_with(&format!("{job}.0/{rank} | rank {rank} of 4")), "{all}");
    }
    let one = stdout(&repower(cluster, &["logs", &job, "--rank", "2"]));
    assert!(one.lines().any(|line| line.starts_with("rank 2 of 4 has met")), "{one}");
    assert!(!one.contains("rank 1"), "{one}");
    let none = repower(cluster, &["logs", &job, "--rank", "4"]);
    assert!(!none.status.success());
    assert!(support::stderr(&none).contains("its ranks are 0 to 3"), "{none:?}");
    let shown = stdout(&repower(cluster, &["show", &format!("{job}.0")]));
    assert!(shown.contains(&format!("{job}.0#1/3  succeeded")), "{shown}");
}

#[test]
fn a_rank_that_is_killed_ends_the_whole_attempt_and_the_next_one_succeeds() {
    runtime().block_on(async {
        let (folder, cluster) = start(3, Some(2)).await;
        let client = cluster.client().await.unwrap();
        keep_apart(&client, 2).await;
        let notes = tempfile::tempdir().unwrap();
        let job = submit(&client, waiting(notes.path(), 1)).await;
        met(&client, job, 4).await;
        let first: Vec<u32> = (0..4).map(|rank| pid(notes.path(), rank)).collect();
        assert!(first.iter().all(|pid| is_there(*pid)));

        assert!(
            Command::new("kill").args(["-9", &first[2].to_string()]).status().unwrap().success()
        );

        assert_eq!(ended(&client, job).await.state(), JobState::Succeeded);
        let left: Vec<u32> = first.into_iter().filter(|pid| is_there(*pid)).collect();
        assert!(left.is_empty(), "the other ranks are gone too: {left:?}");
        let attempts = attempts(&client, job).await;
        assert_eq!(attempts.len(), 2);
        let outcome = attempts[0].outcome.as_ref().unwrap();
        assert_eq!((outcome.kind(), outcome.signal), (OutcomeKind::Signalled, 9));
        let kinds: Vec<_> =
            attempts[0].ranks.iter().map(|rank| rank.outcome.as_ref().unwrap().kind()).collect();
        let cancelled = OutcomeKind::Cancelled;
        assert_eq!(kinds, [cancelled, cancelled, OutcomeKind::Signalled, cancelled]);
        assert!(attempts[1].ranks.iter().all(|rank| rank.state() == TaskState::Succeeded));
        verified(&cluster);
        cluster.stop().await;
        drop(folder);
    });
}

#[test]
fn a_node_that_dies_takes_its_gangs_with_it_and_they_are_tried_again() {
    runtime().block_on(async {
        let (folder, mut cluster) = start(3, Some(2)).await;
        let client = cluster.client().await.unwrap();
        keep_apart(&client, 3).await;
        let notes = tempfile::tempdir().unwrap();
        let job = submit(&client, waiting(notes.path(), 0)).await;
        met(&client, job, 4).await;
        let first: Vec<u32> = (0..4).map(|rank| pid(notes.path(), rank)).collect();
        let node = attempts(&client, job).await[0].ranks[3].node.clone();
        let victim = (0..3).find(|at| repower::cluster::agent_name(*at) == node).unwrap();

        cluster.kill_node(victim).await;
        cluster.start_agent(victim).unwrap();

        assert_eq!(ended(&client, job).await.state(), JobState::Succeeded);
        let left: Vec<u32> = first.into_iter().filter(|pid| is_there(*pid)).collect();
        assert!(left.is_empty(), "the other ranks are gone too: {left:?}");
        let attempts = attempts(&client, job).await;
        assert_eq!(attempts.len(), 2);
        let outcome = attempts[0].outcome.as_ref().unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::Lost);
        assert!(outcome.detail.contains(&format!(" on {node}: ")), "{outcome:?}");
        verified(&cluster);
        cluster.stop().await;
        drop(folder);
    });
}
