use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

/// A server that gives each of these answers once, to one connection after the other; returns what it was asked.
fn server(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let mut byte = [0];
            while !text.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                text.push(byte[0]);
            }
            asked.push(String::from_utf8(text).unwrap().to_lowercase());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    (url, asked)
}

fn answer(head: &str, body: &str) -> String {
    let bytes = body.len();
    format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n{body}")
}

async fn text(body: &mut Body) -> String {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_file_goes_on_from_where_it_broke_off_if_it_is_still_the_same() {
    let part =
        answer("206 Partial Content\r\netag: \"v1\"\r\ncontent-range: bytes 6-10/11", "world");
    let (url, asked) = server(vec![part]);

    let mut body = Web::new().unwrap().get(&url, 6, Some("\"v1\"")).await.unwrap();

    assert_eq!((body.offset, body.bytes), (6, Some(11)));
    assert_eq!(text(&mut body).await, "world");
    let asked = asked.join().unwrap();
    assert!(asked[0].contains("range: bytes=6-\r\n") && asked[0].contains("if-range: \"v1\"\r\n"));
}

#[tokio::test]
async fn a_server_that_cannot_go_on_sends_the_file_from_the_beginning() {
    let (url, _asked) = server(vec![answer("200 OK\r\netag: \"v2\"", "hello world")]);

    let mut body = Web::new().unwrap().get(&url, 6, Some("\"v1\"")).await.unwrap();

    assert_eq!((body.offset, body.bytes, body.version.as_deref()), (0, Some(11), Some("\"v2\"")));
    assert_eq!(text(&mut body).await, "hello world");
}

#[tokio::test]
async fn one_that_sends_elsewhere_is_followed_but_not_for_ever() {
    let found = |to: &str| answer(&format!("302 Found\r\nlocation: {to}"), "");
    let (url, asked) = server(vec![found("/b?c"), found("d"), answer("200 OK", "here")]);

    let mut body = Web::new().unwrap().get(&format!("{url}/a"), 0, None).await.unwrap();
    assert_eq!(text(&mut body).await, "here");
    let asked: Vec<_> =
        asked.join().unwrap().iter().map(|one| one.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["get /a http/1.1", "get /b?c http/1.1", "get /d http/1.1"]);

    let (url, _asked) = server(vec![found("/again"); 6]);
    let fault = Web::new().unwrap().get(&url, 0, None).await.unwrap_err();
    assert!(fault.to_string().ends_with("elsewhere more than 5 times"), "{fault}");
}

#[tokio::test]
async fn what_is_not_there_is_the_fault_of_the_address_and_what_is_broken_may_pass() {
    let web = Web::new().unwrap();
    let (url, _asked) = server(vec![answer("404 Not Found", ""), answer("503 Busy", "")]);

    let missing = web.get(&url, 0, None).await.unwrap_err();
    let broken = web.get(&url, 0, None).await.unwrap_err();
    let nobody = web.get("http://127.0.0.1:1/x", 0, None).await.unwrap_err();

    assert!(missing.to_string().ends_with("the server says 404 Not Found"), "{missing}");
    assert!(!missing.may_pass() && broken.may_pass() && nobody.may_pass());
}

#[tokio::test]
async fn a_connection_that_ends_too_early_is_a_fault() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello".to_owned();
    let (url, _asked) = server(vec![cut]);

    let mut body = Web::new().unwrap().get(&url, 0, None).await.unwrap();

    assert_eq!(body.next().await.unwrap().unwrap(), "hello");
    assert!(body.next().await.unwrap_err().may_pass());
}
