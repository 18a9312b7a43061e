//! What the agent looks at, and what it does not start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::{Ended, Forbidden, JobSpec, OutcomeKind};
use sha2::{Digest as _, Sha256};

use crate::fake::Fake;
use crate::house::House;
use crate::orders::command;

fn forbidden(digest: &[u8]) -> Down {
    let reasons = vec!["finding 3 was confirmed: it hashes".to_owned()];
    Down::Forbidden(Forbidden { digests: vec![digest.to_vec()], reasons })
}

async fn end(fake: &Fake, job: u64, spec: JobSpec) -> Ended {
    let attempt = fake.run(job, spec).await;
    fake.ended(attempt).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_quarantine_is_not_started_until_it_is_released() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let program = house.folder.path().join("program");
    fs::write(&program, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let script = b"#!/bin/sh\nexit 8\n".to_vec();
    let scripted = || JobSpec { script: script.clone(), ..command(&[]) };

    fake.send(forbidden(&Sha256::digest(fs::read(program).unwrap()))).await;
    let refused = end(&fake, 1, command(&[program])).await;
    let other = end(&fake, 2, scripted()).await;
    fake.send(forbidden(&Sha256::digest(&script))).await;
    let refused_script = end(&fake, 3, scripted()).await;
    fake.send(Down::Forbidden(Forbidden::default())).await;
    let released = end(&fake, 4, command(&[program])).await;

    for (refused, what) in [(refused, program), (refused_script, "the script")] {
        assert_eq!(refused.started_ms, 0, "{refused:?}");
        let outcome = refused.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::Finding, "{outcome:?}");
        assert!(outcome.detail.contains(what), "{outcome:?}");
        assert!(outcome.detail.contains("finding 3 was confirmed: it hashes"), "{outcome:?}");
    }
    let code = |ended: Ended| ended.outcome.unwrap().exit_code;
    assert_eq!((code(other), code(released)), (8, 7));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_tells_of_each_sensor_that_it_has_it_or_why_not() {
    let fake = Fake::start().await;
    let (one, two) = (House::new(&fake), House::new(&fake));
    let agent = one.start();
    fake.linked().await;
    let told = fake.memory().hellos[0].inventory.clone().unwrap();
    agent.stop().await.unwrap();
    let options =
        repower_agent::Options { detector: false, name: Some("n2".into()), ..two.options() };
    let off = crate::house::Agent::start(options);
    let told_off = fake.until("a hello", |memory| memory.hellos.get(1)?.inventory.clone()).await;
    off.stop().await.unwrap();

    for sensor in ["sensor.connections", "sensor.images", "sensor.registers"] {
        let has = told.abilities.iter().any(|one| one == sensor);
        let lacks = told.lacks.iter().any(|one| one.name == sensor && !one.value.is_empty());
        assert!(has != lacks, "{sensor}: {told:?}");
        assert!(told_off.lacks.iter().any(|one| one.name == sensor), "{told_off:?}");
    }
    assert!(!told_off.abilities.iter().any(|one| one.starts_with("sensor.")), "{told_off:?}");
}
