//! A real S3-compatible server: moto, in memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server with a bucket `files`; ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Buckets {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Buckets {
    /// Starts one at a port, 0 for any. `workspace` is the root of this repository.
    pub(crate) fn start(workspace: &Path, port: u16) -> Self {
        let own = workspace.join("target/moto/bin/moto_server");
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
        let port: u16 = port.expect("the server says where it listens");
        let server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        server.put("/files", b"");
        server
    }

    /// Makes a bucket, or puts an object into one: `/files/a/b`.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let answer = self.ask("PUT", path, bytes);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    /// The head and the body of an answer.
    pub(crate) fn ask(&self, method: &str, path: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (host, length) = (self.address, bytes.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Ends it; what is in its buckets is lost. Returns its port.
    pub(crate) fn stop(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address.port()
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines by which whoever uses a server at this address knows it, and may use it.
pub(crate) fn credentials(server: SocketAddr) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{server}")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "b".to_owned()),
    ]
}

/// Writes them to a file that only its owner may read, and returns where it is.
pub(crate) fn credentials_file(folder: &Path, server: SocketAddr) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join("credentials");
    let lines = credentials(server).map(|(name, value)| format!("{name}={value}\n"));
    let mut options = std::fs::File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.unwrap().write_all(lines.concat().as_bytes()).unwrap();
    path
}
