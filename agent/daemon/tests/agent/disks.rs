//! The share of the disks that a task has, by its processors or as its job asks for it.

use repower_proto::v1::{AttemptRef, JobSpec, OutcomeKind, Stream};

use crate::boxes::{can, is_able, with_memory};
use crate::fake::Fake;
use crate::house::House;
use crate::orders::shell;

/// Prints what the kernel has written down of its own group, with either version of control groups, in whichever of the
/// files there is: the last word of it.
const WEIGHT: &str = r#"
    own=$(grep -E ':[a-z,]*blkio[a-z,]*:' /proc/self/cgroup | cut -d: -f3)
    [ -n "$own" ] && folder=/sys/fs/cgroup/blkio$own || folder=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
    for name in blkio.bfq.weight blkio.weight io.weight io.bfq.weight; do
        [ -e $folder/$name ] && sed -n '1s/.* //;1p' $folder/$name && exit 0
    done; exit 1"#;

async fn weight(fake: &Fake, attempt: AttemptRef) -> u64 {
    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    let said = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    said.trim().parse().unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_the_weight_that_its_job_asks_for_and_the_next_one_in_its_group_has_not() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !is_able(&fake, "limit.io") {
        // Where it cannot be, no task starts that asks for it.
        let asks = fake.run(1, JobSpec { io_weight: 50, ..shell("true") }).await;
        let outcome = fake.ended(asks).await.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{outcome:?}");
        assert!(outcome.detail.contains("limit.io"), "{outcome:?}");
        return agent.stop().await.unwrap();
    }

    let usual = fake.run(1, with_memory(64, shell(WEIGHT))).await;
    let usual = weight(&fake, usual).await;
    let half = fake.run(2, JobSpec { io_weight: 50, ..with_memory(64, shell(WEIGHT)) }).await;
    let half = weight(&fake, half).await;
    // With nothing else that would take a group.
    let alone = fake.run(3, JobSpec { io_weight: 150, ..shell(WEIGHT) }).await;
    let alone = weight(&fake, alone).await;
    let again = fake.run(4, with_memory(64, shell(WEIGHT))).await;
    let again = weight(&fake, again).await;

    assert!(usual == 100 || usual == 500, "{usual}");
    assert_eq!((half, alone, again), (usual / 2, usual * 3 / 2, usual));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_weighed_where_it_can_be_and_else_does_not_start() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "container") {
        return agent.stop().await.unwrap();
    }
    let can_weigh = is_able(&fake, "container.limit.io");
    let image = crate::image::Image::new();
    let spec = JobSpec { io_weight: 50, image: image.name.clone(), ..shell("true") };

    let attempt = fake.run(1, spec).await;

    let outcome = fake.ended(attempt).await.outcome.unwrap();
    if can_weigh {
        assert_eq!(outcome.kind(), OutcomeKind::Exited, "{outcome:?}");
    } else {
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{outcome:?}");
        assert!(outcome.detail.contains("container.limit.io"), "{outcome:?}");
    }
    agent.stop().await.unwrap();
}
