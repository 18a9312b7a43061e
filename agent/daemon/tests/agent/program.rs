//! An agent and its executor as processes of their own, for the tests of this crate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use repower_agent::Options;
use repower_proto::v1::{FromExecutor, Greeting, from_executor};

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
        [role, data] if role == "executor-of-another-protocol" => stranger(data.as_ref()),
        _ => panic!("not called like this: {words:?}"),
    }
}

/// Holds the place of an executor, and greets like one that speaks another protocol.
fn stranger(data: &Path) {
    let folder = data.join("executor");
    std::fs::create_dir_all(&folder).unwrap();
    let mut lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    writeln!(lock, "{}", std::process::id()).unwrap();
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    let greeting = Greeting { protocol: 2, version: "9.9.9".into(), ..Greeting::default() };
    let greeting = FromExecutor { body: Some(from_executor::Body::Greeting(greeting)) };
    let bytes = prost::Message::encode_to_vec(&greeting);
    let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    for socket in listener.incoming() {
        let mut socket = socket.unwrap();
        // Who is gone again by now is not greeted.
        drop(socket.write_all(&[&length[..], &bytes].concat()));
        drop(socket.read_to_end(&mut Vec::new()));
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
