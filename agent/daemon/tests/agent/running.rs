//! Tasks run, and what they did is reported.

use repower_proto::v1::{JobSpec, OutcomeKind, Stream, Variable};

use crate::fake::{Fake, attempt, command, define, shell, start};
use crate::house::{House, entries};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_runs_and_its_success_is_reported() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let attempt = fake.run(1, command(&["true"])).await;
    let ended = fake.ended(attempt).await;

    let outcome = ended.outcome.unwrap();
    assert_eq!(
        (outcome.kind(), outcome.exit_code),
        (OutcomeKind::Exited, 0)
    );
    assert!(ended.started_ms > 0 && ended.ended_ms >= ended.started_ms);
    assert!(ended.usage.unwrap().wall_us > 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_and_signals_are_told_apart() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let coded = fake.run(1, shell("exit 42")).await;
    let signalled = fake.run(2, shell("kill -USR1 $$")).await;

    let outcome = fake.ended(coded).await.outcome.unwrap();
    assert_eq!(
        (outcome.kind(), outcome.exit_code),
        (OutcomeKind::Exited, 42)
    );
    let outcome = fake.ended(signalled).await.outcome.unwrap();
    assert_eq!(
        (outcome.kind(), outcome.signal),
        (OutcomeKind::Signalled, 10)
    );
    agent.stop().await.unwrap();
}
