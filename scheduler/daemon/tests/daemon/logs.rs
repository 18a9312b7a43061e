//! What tasks have printed: all of it, the end of it, as it comes, and when it is gone.

use std::time::Duration;

use repower_proto::v1;
use tonic::Streaming;

use crate::agent::{passed, printed};
use crate::world::{World, array, job};

type Log = Streaming<v1::LogChunk>;

async fn ask(world: &World, request: v1::LogsRequest) -> Log {
    world.jobs().await.logs(request).await.expect("a log").into_inner()
}

async fn next(log: &mut Log) -> v1::LogChunk {
    let next = tokio::time::timeout(Duration::from_mins(1), log.message()).await.expect("in time");
    next.expect("a piece").expect("no end yet")
}

/// All pieces to the end.
async fn all(world: &World, request: v1::LogsRequest) -> Vec<v1::LogChunk> {
    let mut log = ask(world, request).await;
    let mut pieces = Vec::new();
    while let Some(piece) = log.message().await.expect("a piece") {
        pieces.push(piece);
    }
    pieces
}

fn told(pieces: &[v1::LogChunk]) -> Vec<(u32, u64, String)> {
    let text = |piece: &v1::LogChunk| String::from_utf8(piece.data.clone()).expect("UTF-8");
    pieces.iter().map(|piece| (piece.index, piece.offset, text(piece))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_array_is_followed_in_the_order_in_which_its_tasks_print() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 3).await;
    let job = world.submit(array(3)).await;
    let starts = agent.starts(3).await;
    let mut log = ask(&world, v1::LogsRequest { job, follow: true, ..Default::default() }).await;
    let mut seen = Vec::new();

    // The first task goes on and on; nobody waits for its end.
    for (index, offset, text) in
        [(2, 0, "c1"), (0, 0, "a1"), (1, 0, "b1"), (0, 2, "a2"), (2, 2, "c2")]
    {
        agent.report_durably(vec![printed(starts[index], offset, text.as_bytes())]).await;
        seen.push(next(&mut log).await);
    }
    for start in starts {
        agent.report_durably(passed(start).into()).await;
    }

    let expected = [(2, 0, "c1"), (0, 0, "a1"), (1, 0, "b1"), (0, 2, "a2"), (2, 2, "c2")];
    assert_eq!(told(&seen), expected.map(|(index, offset, text)| (index, offset, text.to_owned())));
    assert!(log.message().await.expect("an end").is_none(), "it ends with the job");
    // Not followed, it is in order of index.
    let whole = all(&world, v1::LogsRequest { job, ..Default::default() }).await;
    let whole: String = told(&whole).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(whole, "a1a2b1c1c2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_lines_and_everything_from_a_byte_on_are_sent_and_then_what_comes() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 2).await;
    let job = world.submit(array(2)).await;
    let starts = agent.starts(2).await;
    agent.report_durably(vec![printed(starts[0], 0, b"one\ntwo\nthree\n")]).await;
    agent.report_durably(vec![printed(starts[1], 0, b"x\ny\nz")]).await;
    let request = v1::LogsRequest { job, ..Default::default() };

    let tail = v1::LogsRequest { tail_lines: Some(2), ..request.clone() };
    let from = v1::LogsRequest { offset: 4, index: Some(0), ..request.clone() };
    let (last, rest) = (all(&world, tail.clone()).await, all(&world, from).await);
    assert_eq!(told(&last), [(0, 4, "two\nthree\n".to_owned()), (1, 2, "y\nz".to_owned())]);
    assert_eq!(told(&rest), [(0, 4, "two\nthree\n".to_owned())]);

    // Followed, one task and all of them.
    let one = v1::LogsRequest { follow: true, index: Some(1), ..tail.clone() };
    let (mut one, mut both) =
        (ask(&world, one).await, ask(&world, v1::LogsRequest { follow: true, ..tail }).await);
    let (first, second) = (next(&mut both).await, next(&mut both).await);
    assert_eq!(told(&[first, second]), told(&last));
    assert_eq!(told(&[next(&mut one).await]), [(1, 2, "y\nz".to_owned())]);
    agent.report_durably(vec![printed(starts[1], 5, b"!\n")]).await;
    assert_eq!(told(&[next(&mut one).await]), [(1, 5, "!\n".to_owned())]);
    assert_eq!(told(&[next(&mut both).await]), [(1, 5, "!\n".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_says_what_they_have_and_gets_the_rest() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 2).await;
    let job = world.submit(array(2)).await;
    let starts = agent.starts(2).await;
    agent
        .report_durably(vec![printed(starts[0], 0, b"abcdef"), printed(starts[1], 0, b"xyz")])
        .await;
    let has = |index, offset| v1::LogPosition {
        index,
        attempt: 1,
        rank: 0,
        stream: v1::Stream::Stdout.into(),
        offset,
    };
    let request = v1::LogsRequest {
        job,
        follow: true,
        after: vec![has(0, 4), has(1, 3)],
        ..Default::default()
    };

    let mut log = ask(&world, request.clone()).await;
    assert_eq!(told(&[next(&mut log).await]), [(0, 4, "ef".to_owned())]);
    let mut one = ask(&world, v1::LogsRequest { index: Some(0), ..request.clone() }).await;
    assert_eq!(told(&[next(&mut one).await]), [(0, 4, "ef".to_owned())]);

    let bad = v1::LogsRequest { offset: 1, tail_lines: Some(1), ..request.clone() };
    let many = v1::LogsRequest { after: vec![has(0, 1); 50_001], ..request };
    for wrong in [bad, many] {
        let refused = world.jobs().await.logs(wrong).await.expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_told_with_the_piece_behind_it() {
    let world = World::with(|options| options.output_bytes = 8).await;
    let mut agent = world.agent("n1", 1).await;
    let id = world.submit(job()).await;
    let start = agent.starts(1).await[0];
    let mut flood: Vec<_> = (0..10).map(|at| printed(start, at * 4, b"abcd")).collect();
    flood.extend(passed(start));
    agent.report_durably(flood).await;
    world.wait(id).await;

    for follow in [false, true] {
        for index in [None, Some(0)] {
            let request = v1::LogsRequest { job: id, follow, index, ..Default::default() };
            let pieces = all(&world, request).await;
            let shape: Vec<_> =
                pieces.iter().map(|one| (one.offset, one.missing, one.data.len())).collect();
            assert_eq!(shape, [(0, 0, 4), (36, 32, 4)], "follow {follow}, {index:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_of_ended_tasks_is_compressed_then_removed_and_that_is_told_and_counted() {
    let world = World::with(|options| {
        options.output_rest_ms = 50;
        options.output_total_bytes = 1000;
    })
    .await;
    let mut agent = world.agent("n1", 2).await;
    let lines = "the same line again\n".repeat(5000);
    let (ended, live) = (world.submit(job()).await, world.submit(job()).await);
    let starts = agent.starts(2).await;
    let mut told_of_first = vec![printed(starts[0], 0, lines.as_bytes())];
    told_of_first.extend(passed(starts[0]));
    agent.report_durably(told_of_first).await;
    // Of a job that goes on nothing is removed, however much it is.
    let noise: Vec<u8> =
        (0..5000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    agent.report_durably(vec![printed(starts[1], 0, &noise)]).await;

    let removed = async {
        loop {
            let pieces = all(&world, v1::LogsRequest { job: ended, ..Default::default() }).await;
            match &pieces[..] {
                [.., last] if last.removed => return,
                pieces => {
                    let bytes: usize = pieces.iter().map(|piece| piece.data.len()).sum();
                    assert_eq!(bytes, lines.len(), "until it is removed it is whole");
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), removed).await.expect("in time");

    for index in [None, Some(0)] {
        let request = v1::LogsRequest { job: ended, follow: true, index, ..Default::default() };
        let pieces = all(&world, request).await;
        assert!(pieces.len() == 1 && pieces[0].removed && pieces[0].data.is_empty(), "{pieces:?}");
    }
    let still = all(&world, v1::LogsRequest { job: live, ..Default::default() }).await;
    let still: Vec<u8> = still.into_iter().flat_map(|piece| piece.data).collect();
    assert_eq!(still, noise);
    let metrics = crate::pages::metrics(&world).await;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).expect("the metric");
        line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
    };
    let (saved, removed) =
        (value("repower_output_saved_bytes_total"), value("repower_output_removed_bytes_total"));
    assert!(saved > 90_000.0 && removed > 100.0 && removed < 10_000.0, "{saved} {removed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_keeps_nobody_waiting() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let id = world.submit(job()).await;
    let start = agent.starts(1).await[0];
    // It never takes a piece.
    let idle = ask(&world, v1::LogsRequest { job: id, follow: true, ..Default::default() }).await;

    let piece = vec![b'x'; 256 << 10];
    for at in 0..64_u64 {
        agent.report_durably(vec![printed(start, at * piece.len() as u64, &piece)]).await;
    }
    agent.report_durably(passed(start).into()).await;

    assert_eq!(world.wait(id).await.state(), v1::JobState::Succeeded);
    drop(idle);
}
