//! Ranks of gangs run, each a process of its own that is told how to find the others.

use repower_proto::v1::{AttemptRef, OutcomeKind, StopReason, Stream};

use crate::fake::Fake;
use crate::house::{Agent, House};
use crate::orders::{attempt, define, shell, start_gang, stop};

fn rank(rank: u32) -> AttemptRef {
    AttemptRef { rank, ..attempt(1, 0) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rank_is_told_who_it_is_and_prints_for_itself() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let line = "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $NODE_RANK; \
                echo $MASTER_ADDR $MASTER_PORT $REPOWER_HOSTS; cat $REPOWER_HOSTFILE; \
                echo $REPOWER_TASK_INDEX $REPOWER_ATTEMPT; ls; exit $RANK";
    let hosts = [("10.0.0.1", 1), ("rig-7", 2)];
    fake.order(vec![define(1, shell(line)), start_gang(attempt(1, 0), &hosts, 1)]).await;

    for local in [0, 1] {
        let of = local + 1;
        let ended = fake.ended(rank(of)).await;

        assert_eq!(u32::try_from(ended.outcome.unwrap().exit_code), Ok(of));
        let text = String::from_utf8(fake.memory().output(rank(of), Stream::Stdout)).unwrap();
        let expected = format!(
            "{of} {local} 3 2 1\n10.0.0.1 20123 10.0.0.1,rig-7\n10.0.0.1 slots=1\nrig-7 slots=2\n0 1\n"
        );
        assert_eq!(text, expected, "and its folder is empty");
    }
    agent.stop().await.unwrap();
    let left = std::fs::read_dir(house.data().join("scripts")).unwrap().count();
    assert_eq!(left, 0, "lists of hosts are removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rank_is_stopped_while_its_neighbour_goes_on() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    fake.order(vec![
        define(1, shell("exec sleep 300")),
        start_gang(attempt(1, 0), &[("127.0.0.1", 2)], 0),
    ])
    .await;
    fake.started(rank(0)).await;
    fake.started(rank(1)).await;
    fake.order(vec![stop(rank(1), StopReason::Cancelled)]).await;

    assert_eq!(fake.ended(rank(1)).await.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(fake.memory().ended(rank(0)).is_none());
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_says_by_which_address_others_reach_it() {
    let fake = Fake::start().await;
    let house = House::new(&fake);

    let agent = house.start();
    fake.linked().await;
    assert_eq!(fake.memory().hellos[0].inventory.as_ref().unwrap().address, "127.0.0.1");
    agent.stop().await.unwrap();
    let address = Some("rig-7.example".to_owned());
    let agent = Agent::start(repower_agent::Options { address, ..house.options() });
    let second = |memory: &mut crate::memory::Memory| {
        Some(memory.hellos.get(1)?.inventory.as_ref()?.address.clone())
    };
    assert_eq!(fake.until("a second hello", second).await, "rig-7.example");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_one_is_refused_at_the_start() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let address = Some("rig 7".to_owned());

    let refused = Agent::start(repower_agent::Options { address, ..house.options() }).end().await;

    assert!(refused.unwrap_err().to_string().contains("\"rig 7\""));
}
