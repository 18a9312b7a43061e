//! Enrolment, and everything that can go wrong with it.

use std::os::unix::fs::PermissionsExt as _;

use repower_agent::{Error, Options};

use crate::fake::{Authority, Fake, SECRET};
use crate::house::{Agent, House};
use crate::orders::command;

/// How the agent of `house` fails to start.
async fn failure(options: Options) -> Error {
    Agent::start(options).end().await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_enrols_once_and_needs_no_join_file_after() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let first = house.start();
    fake.linked().await;
    first.stop().await.unwrap();
    std::fs::remove_file(house.folder.path().join("join.toml")).unwrap();

    let second = house.start();
    let attempt = fake.run(1, command(&["true"])).await;
    fake.ended(attempt).await;
    second.stop().await.unwrap();

    assert_eq!(fake.memory().enrolled, 1);
    let hellos = fake.memory().hellos.clone();
    assert_ne!(hellos[0].instance, hellos[1].instance);
    let identity = std::fs::metadata(house.data().join("identity.toml")).unwrap();
    assert_eq!(identity.permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reason_not_to_enrol_has_its_own_error() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    agent.stop().await.unwrap();

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stranger = Authority::new();
    let error =
        failure(House::with(&format!("https://{nobody}"), &fake.authority, SECRET).options()).await;
    assert!(matches!(error, Error::Unreachable { tries: 6, .. }), "{error:?}");
    let error = failure(House::with(&fake.url(), &stranger, SECRET).options()).await;
    assert!(matches!(error, Error::WrongAuthority { .. }), "{error:?}");
    let error = failure(House::with(&fake.url(), &fake.authority, "wrong").options()).await;
    assert!(matches!(error, Error::TokenRefused { .. }), "{error:?}");
    let error = failure(House::new(&fake).options()).await;
    assert!(matches!(&error, Error::NameTaken { name, .. } if name == "n1"), "{error:?}");
    let error = failure(House::with("127.0.0.1:1", &fake.authority, SECRET).options()).await;
    assert!(matches!(error, Error::BadAddress { .. }), "{error:?}");
    let error =
        failure(Options { name: Some("No Name".into()), ..House::new(&fake).options() }).await;
    assert!(matches!(error, Error::BadName { .. }), "{error:?}");
    let error = failure(Options { cpus: Some(0), ..House::new(&fake).options() }).await;
    assert!(matches!(error, Error::NoProcessors), "{error:?}");
    let error = failure(Options { join: None, ..House::new(&fake).options() }).await;
    assert!(matches!(error, Error::NotEnrolled { .. }), "{error:?}");
    assert!(!error.hint().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_join_file_is_refused_with_the_key_and_the_line() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let join = house.folder.path().join("join.toml");
    let text = std::fs::read_to_string(&join).unwrap().replace("secret =", "secrete =");
    std::fs::write(&join, text).unwrap();

    let error = failure(house.options()).await;

    assert!(matches!(error, Error::JoinFileMalformed { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("secrete") && cause.contains("line 2"), "{cause}");
    assert!(!cause.contains('='), "the line itself may be a secret: {cause}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_data_folder_holds_one_agent_of_one_scheduler() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let error = failure(house.options()).await;
    assert!(matches!(error, Error::DataFolderInUse { .. }), "{error:?}");
    agent.stop().await.unwrap();
    let other = House::with(&fake.url(), &Authority::new(), SECRET);
    let error = failure(Options { data: house.data(), ..other.options() }).await;
    assert!(matches!(error, Error::EnrolledElsewhere { .. }), "{error:?}");
    let file = house.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = failure(Options { data: file.join("data"), ..house.options() }).await;
    assert!(matches!(error, Error::DataFolder { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_refused() {
    let fake = Fake::start().await;
    let other = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    agent.stop().await.unwrap();
    let identity = house.data().join("identity.toml");

    let elsewhere = Options { scheduler: Some(other.url()), ..house.options() };
    let error = failure(elsewhere.clone()).await;
    assert!(matches!(error, Error::WrongAuthority { .. }), "{error:?}");
    let text = std::fs::read_to_string(&identity).unwrap();
    std::fs::write(&identity, text.replace(fake.authority.pem.trim(), other.authority.pem.trim()))
        .unwrap();
    let error = failure(Options { join: None, ..elsewhere }).await;
    assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
}
