//! A web server of a few lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves one file, whatever is asked for; the first answer may break off. Ends with the test's process.
#[derive(Debug)]
pub(crate) struct Web {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
}

impl Web {
    /// Serves these bytes; the first answer has only so many of them.
    pub(crate) fn serve(bytes: Vec<u8>, first: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/data/file.bin", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut reader = BufReader::new(&stream);
                let mut from = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                        from = range.trim().trim_end_matches('-').parse().unwrap();
                    }
                    line.clear();
                }
                let is_first = count.fetch_add(1, Ordering::AcqRel) == 0;
                let (all, end) = (bytes.len(), if is_first { first } else { bytes.len() });
                let head = if from > 0 {
                    format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{all}", all - 1)
                } else {
                    "200 OK".to_owned()
                };
                let left = all - from;
                let head = format!(
                    "HTTP/1.1 {head}\r\netag: \"v1\"\r\nconnection: close\r\ncontent-length: {left}\r\n\r\n"
                );
                // Who asked may be gone.
                drop((&stream).write_all(head.as_bytes()));
                drop((&stream).write_all(&bytes[from..end.max(from)]));
            }
        });
        Self { url, asked }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}
