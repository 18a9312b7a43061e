//! An agent and its executor as processes of their own, for the tests of this crate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::ffi::OsString;

use repower_agent::Options;

fn main() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &words[..] {
        [role, data] if role == "executor" => {
            if let Err(error) = repower_agent::execute(data.as_ref(), std::io::stdin()) {
                panic!("{error}: {:?}", std::error::Error::source(&error));
            }
        }
        [role, data, join] if role == "agent" => agent(data, join, 1),
        [role, data, join, pace] if role == "agent" => {
            agent(data, join, pace.to_str().unwrap().parse().unwrap());
        }
        _ => panic!("not called like this: {words:?}"),
    }
}

fn agent(data: &OsString, join: &OsString, detector_pace: u32) {
    let program = std::env::current_exe().unwrap();
    let options = Options {
        data: data.into(),
        join: Some(join.into()),
        name: Some("n1".into()),
        cpus: Some(4),
        detector_pace,
        executor: vec![program.into(), "executor".into()],
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(repower_agent::run(options, std::future::pending())).unwrap();
}
