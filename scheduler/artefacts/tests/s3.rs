//! The store on a real S3-compatible server: moto.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use repower_artefacts::{Fault, Hasher, Mover, PIECE, Place, Standing, Store};
use repower_model::Hash;

/// A server in memory; ended when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts one at a port, 0 for any, and makes a bucket.
    fn start(port: u16) -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/moto/bin/moto_server");
        let program = if own.exists() { own } else { PathBuf::from("moto_server") };
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!(
                "{}: {error}\nhint: tests/run installs moto[server] from PyPI",
                program.display()
            )
        });
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("Running on http://127.0.0.1:")?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        });
        // Whoever writes to a closed pipe ends.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { child, port: port.expect("the server says where it listens") };
        let answer = server.ask("PUT", "/files");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        server
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let host = format!("127.0.0.1:{}", self.port);
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }

    /// The store in its bucket.
    fn store(&self, folder: &Path) -> Store {
        let credentials = folder.join("credentials");
        let text = format!(
            "AWS_ENDPOINT_URL=http://127.0.0.1:{}\nAWS_REGION=us-east-1\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n",
            self.port
        );
        fs::write(&credentials, text).unwrap();
        fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).unwrap();
        let address = "s3://files/some/where".to_owned();
        let folder = folder.join("incoming");
        Store::open(&Place::Bucket { address, credentials: Some(credentials), folder }).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn bytes(length: usize) -> (Vec<u8>, Hash) {
    let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at * at % 253).unwrap()).collect();
    let mut hasher = Hasher::default();
    hasher.update(&bytes);
    (bytes, hasher.finish())
}

async fn put(store: &Store, bytes: &[u8], digest: Hash, offset: usize) -> Result<(), Fault> {
    let put = store.put(&Mover::Own, digest, bytes.len() as u64, offset as u64).await?;
    for piece in bytes[offset..].chunks(PIECE) {
        put.write(Bytes::copy_from_slice(piece)).await;
    }
    put.finish().await
}

async fn get(store: &Store, digest: Hash, offset: u64) -> Result<Vec<u8>, Fault> {
    let mut reading = store.get(&Mover::Own, digest, offset).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[tokio::test]
async fn artefacts_go_into_a_bucket_in_one_piece_or_in_many_and_come_out_from_any_place() {
    let (server, folder) = (Server::start(0), tempfile::TempDir::new().unwrap());
    let store = server.store(folder.path());

    for length in [0, 11, 20 << 20] {
        let (bytes, digest) = bytes(length);
        assert_eq!(store.stat(digest).await.unwrap(), Standing { bytes: None, received: 0 });
        put(&store, &bytes, digest, 0).await.unwrap();

        let standing = Standing { bytes: Some(length as u64), received: 0 };
        assert_eq!(store.stat(digest).await.unwrap(), standing);
        assert!(get(&store, digest, 0).await.unwrap() == bytes);
        let listed = store.list(digest.0[0]).await.unwrap();
        assert!(listed.iter().any(|entry| (entry.digest, entry.bytes) == (digest, length as u64)));
        if length > 0 {
            assert!(get(&store, digest, 7).await.unwrap() == bytes[7..]);
        }
        store.remove(digest).await.unwrap();
        assert!(matches!(store.get(&Mover::Own, digest, 0).await, Err(Fault::Missing { .. })));
    }
    assert_eq!(fs::read_dir(folder.path().join("incoming/incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn bytes_of_another_digest_never_get_there() {
    let (server, folder) = (Server::start(0), tempfile::TempDir::new().unwrap());
    let store = server.store(folder.path());
    let (_, digest) = bytes(4);

    let fault = put(&store, b"evil", digest, 0).await.unwrap_err();

    assert!(matches!(fault, Fault::WrongDigest { .. }), "{fault}");
    assert_eq!(store.stat(digest).await.unwrap(), Standing { bytes: None, received: 0 });
}

#[tokio::test]
async fn a_server_that_goes_away_halfway_is_a_fault_that_passes_and_nothing_is_sent_here_again() {
    let (server, folder) = (Server::start(0), tempfile::TempDir::new().unwrap());
    let store = server.store(folder.path());
    let (bytes, digest) = bytes(9 << 20);

    let half = store.put(&Mover::Own, digest, bytes.len() as u64, 0).await.unwrap();
    for piece in bytes.chunks(PIECE) {
        half.write(Bytes::copy_from_slice(piece)).await;
    }
    let port = server.stop();
    let gone = half.finish().await.unwrap_err();
    let nobody = store.stat(digest).await.unwrap_err();
    let server = Server::start(port);
    let standing = store.stat(digest).await.unwrap();
    put(&store, &bytes, digest, bytes.len()).await.unwrap();

    assert!(matches!(gone, Fault::Remote { .. }) && gone.may_pass(), "{gone}");
    assert!(matches!(nobody, Fault::Remote { .. }), "{nobody}");
    assert_eq!(standing, Standing { bytes: None, received: bytes.len() as u64 });
    assert!(get(&store, digest, 0).await.unwrap() == bytes);
    server.stop();
}
