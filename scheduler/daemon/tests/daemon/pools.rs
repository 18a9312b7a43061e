//! Clients that stand still, and everybody else, who must not wait for them.

use std::time::Duration;

use repower_proto::v1;
use repower_proto::v1::artefacts_client::ArtefactsClient;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::artefacts::{by_agent, digest, get, messages, put, stat, with_input};
use crate::world::{Line, World, code, rand_key, submission, text_of};

/// What anything may take that waits for nobody.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many transfers one client has in one direction.
const SHARE: usize = 8;
/// More than is on its way to a reader that takes nothing.
const LARGE: usize = 24 << 20;

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} has to wait"))
}

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| u8::try_from(at % 251).expect("it is small")).collect()
}

/// Keeps a file, from where its transfer was ended, and returns what it is.
async fn keep(world: &World, bytes: &[u8]) -> Vec<u8> {
    let digest = digest(bytes);
    loop {
        let received = stat(world, &digest).await.received;
        let rest = &bytes[usize::try_from(received).expect("it is small")..];
        let pieces: Vec<&[u8]> = rest.chunks(1 << 20).collect();
        let messages = messages(&digest, bytes.len() as u64, received, &pieces);
        match world.artefacts().await.put(tokio_stream::iter(messages)).await {
            Ok(_) => return digest,
            // A machine with much else to do stands still, too.
            Err(status) => assert_eq!(code(&status), "artefact.stalled", "{status}"),
        }
    }
}

/// Opens as many transfers as one reader has at one time, and reads none of them.
async fn stopped(line: Line, digest: &[u8]) -> Vec<Streaming<v1::ArtefactPiece>> {
    let mut client = ArtefactsClient::new(line);
    let mut streams = Vec::new();
    for _ in 0..SHARE {
        let request = v1::GetArtefactRequest { digest: digest.to_vec(), offset: 0 };
        let stream = in_time("a reader", client.get(request)).await.expect("it is there");
        streams.push(stream.into_inner());
    }
    streams
}

/// Reads what comes; returns that, and why no more did.
async fn rest(mut stream: Streaming<v1::ArtefactPiece>) -> (Vec<u8>, Option<Status>) {
    let mut bytes = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(piece)) => bytes.extend(piece.piece),
            Ok(None) => return (bytes, None),
            Err(status) => return (bytes, Some(status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stand_still_keep_no_submission_and_no_agent_waiting() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let large = keep(&world, &large()).await;
    let small = put(&world, b"hello").await;
    let mut held = Vec::new();
    for name in ["a", "b", "c", "d"] {
        held.extend(stopped(world.line_of(name).await, &large).await);
    }

    let mut jobs = world.jobs().await;
    let submitted = jobs.submit(submission(rand_key(), with_input(&small, 5)));
    let job = in_time("a submission", submitted).await.expect("it is accepted").into_inner().job;
    let uploaded = in_time("an upload", put(&world, b"more")).await;
    in_time("a start", agent.starts(1)).await;
    let request = v1::GetArtefactRequest { digest: small, offset: 0 };
    let mut client = by_agent(&world, &agent).await;
    let read = async { rest(client.get(request).await.expect("it is there").into_inner()).await };

    assert_eq!(in_time("an agent", read).await.0, b"hello");
    assert_eq!((job, stat(&world, &uploaded).await.bytes), (1, Some(4)));
    assert_eq!(held.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_with_all_its_transfers_stopped_keeps_no_other_waiting() {
    let world = World::new().await;
    let large = keep(&world, &large()).await;
    let line = world.line().await;
    let held = stopped(line.clone(), &large).await;
    let mut more = JoinSet::new();
    for _ in 0..40 {
        let mut client = ArtefactsClient::new(line.clone());
        let request = v1::GetArtefactRequest { digest: large.clone(), offset: 0 };
        more.spawn(async move {
            let stream = client.get(request).await;
            std::future::pending::<()>().await;
            drop(stream);
        });
    }
    // A new line is answered meanwhile. On theirs nothing would be: its window is full.
    assert_eq!(stat(&world, &large).await.bytes, Some(LARGE as u64));

    let mut other = ArtefactsClient::new(world.line_of("other").await);
    let request = v1::GetArtefactRequest { digest: large, offset: (LARGE - 3) as u64 };
    let read = async { rest(other.get(request).await.expect("it is there").into_inner()).await };

    assert_eq!(in_time("another reader", read).await.0.len(), 3);
    assert_eq!((held.len(), more.len()), (SHARE, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_stand_still_keep_nobody_waiting() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    world.submit(v1::JobSpec { outputs: vec!["out".into()], ..crate::world::job() }).await;
    agent.starts(1).await;
    let mut held = Vec::new();
    let mut calls = JoinSet::new();
    for name in ["a", "b", "c", "d"] {
        let line = world.line_of(name).await;
        for number in 0..SHARE {
            let what = digest(format!("{name}{number}").as_bytes());
            let (sender, receiver) = mpsc::channel(4);
            for message in messages(&what, 2, 0, &[b"x"]) {
                sender.send(message).await.expect("room");
            }
            let mut client = ArtefactsClient::new(line.clone());
            calls.spawn(async move { client.put(ReceiverStream::new(receiver)).await.map(drop) });
            held.push((what, sender));
        }
    }
    for (what, _) in &held {
        // The first byte is in the store when the transfer has its place.
        in_time("a writer", async { while stat(&world, what).await.received == 0 {} }).await;
    }

    let mut client = by_agent(&world, &agent).await;
    let messages = messages(&digest(b"out"), 3, 0, &[b"out"]);
    let written = client.put(tokio_stream::iter(messages));
    in_time("an agent", written).await.expect("it is kept");

    assert!(calls.try_join_next().is_none(), "all of them still stand there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_ended_gives_its_place_back_and_can_go_on() {
    let world = World::with(|options| options.transfer_stall_ms = 1000).await;
    let bytes = large();
    let large = keep(&world, &bytes).await;
    let line = world.line().await;
    let held = stopped(line.clone(), &large).await;

    // All places are taken by those that stand still; this one waits for the first that is ended.
    let mut next = ArtefactsClient::new(line);
    let request = v1::GetArtefactRequest { digest: large.clone(), offset: 0 };
    let next = in_time("the next reader", next.get(request)).await.expect("it has a place");
    drop(next);
    // All at once: what comes of one that is not read takes the room of the others on their line.
    let mut reads = JoinSet::new();
    for stream in held {
        reads.spawn(rest(stream));
    }
    let mut ended = None;
    while let Some(read) = in_time("an end", reads.join_next()).await {
        if let (come, Some(end)) = read.expect("it was read") {
            ended.get_or_insert((come, end));
        }
    }
    let (mut come, end) = ended.expect("one was ended, for else there had been no place");

    assert_eq!(code(&end), "artefact.stalled");
    assert!(end.message().contains("for 1s"), "{end}");
    assert!(text_of(&end, "repower-hint-bin").contains("goes on"), "{end}");
    // Whoever goes on is at the end some day, however often it is ended on the way.
    while come.len() < bytes.len() {
        let request = v1::GetArtefactRequest { digest: large.clone(), offset: come.len() as u64 };
        let stream = world.artefacts().await.get(request).await.expect("it is there");
        let (more, end) = rest(stream.into_inner()).await;
        assert!(end.is_none_or(|end| code(&end) == "artefact.stalled" && !more.is_empty()));
        come.extend(more);
    }
    assert!(come == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_sends_nothing_is_ended_and_what_has_come_stays() {
    let world = World::with(|options| options.transfer_stall_ms = 1000).await;
    let what = digest(b"hello world");
    let (sender, receiver) = mpsc::channel(4);
    for message in messages(&what, 11, 0, &[b"hello "]) {
        sender.send(message).await.expect("room");
    }
    let mut client = world.artefacts().await;

    let end = in_time("the end", client.put(ReceiverStream::new(receiver)))
        .await
        .expect_err("it is ended");
    let received = stat(&world, &what).await.received;
    let silent = client.put(tokio_stream::pending::<v1::PutArtefactRequest>());
    let silent = in_time("the end", silent).await.expect_err("it is ended");
    keep(&world, b"hello world").await;

    assert_eq!((code(&end), code(&silent)), ("artefact.stalled".into(), "artefact.stalled".into()));
    assert_eq!(received, 6);
    assert_eq!(get(&world, &what, 0).await.expect("it is there"), b"hello world");
    drop(sender);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_any_more_are_bounded_by_reader() {
    let world = World::with(|options| options.transfer_stall_ms = 300).await;
    let large = keep(&world, &large()).await;
    let (line, mut held) = (world.line().await, Vec::new());

    let refused = loop {
        let mut client = ArtefactsClient::new(line.clone());
        let request = v1::GetArtefactRequest { digest: large.clone(), offset: 0 };
        match in_time("a place", client.get(request)).await {
            Ok(stream) => held.push(stream),
            Err(refused) => break refused,
        }
        assert!(held.len() <= 16, "they take memory until they are closed");
    };
    let mut other = ArtefactsClient::new(world.line_of("other").await);
    let request = v1::GetArtefactRequest { digest: large, offset: 0 };
    let read = in_time("another reader", other.get(request)).await;

    assert_eq!((code(&refused).as_str(), held.len()), ("artefact.too-many", 16));
    assert!(read.is_ok(), "{read:?}");
}
