//! A line between clients and a server that can be cut, and that knows how much it has carried.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;

/// Carries every connection on to a server. Ends with the test's process.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where it is.
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    fate: Mutex<Fate>,
    /// What connections count that are made from now on.
    count: Mutex<Arc<Count>>,
    cuts: AtomicU64,
}

/// Bytes to the server and from it.
#[derive(Debug, Default)]
struct Count {
    up: AtomicU64,
    down: AtomicU64,
}

/// What becomes of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    /// After so many bytes in both directions the connection that carries the last of them is cut, others are not.
    Cut(u64),
    /// After so many bytes all connections are cut, and no other one comes about.
    Gone(u64),
}

impl Line {
    /// A line to the server at this address.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (fate, count) = (Mutex::new(Fate::Whole), Mutex::default());
        let wire = Arc::new(Wire { fate, count, cuts: AtomicU64::new(0) });
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                shared.connect(&client, server);
            }
        });
        Self { address, wire }
    }

    /// Cuts, once, the connection that carries the last of so many further bytes.
    pub(crate) fn cut_after(&self, bytes: u64) {
        *self.wire.fate() = Fate::Cut(bytes);
    }

    /// Cuts everything after so many further bytes, for good.
    pub(crate) fn gone_after(&self, bytes: u64) {
        *self.wire.fate() = Fate::Gone(bytes);
    }

    /// Lets connections come about again.
    pub(crate) fn heal(&self) {
        *self.wire.fate() = Fate::Whole;
    }

    /// How many connections were cut in the middle.
    pub(crate) fn cuts(&self) -> u64 {
        self.wire.cuts.load(Ordering::Acquire)
    }

    /// From now on only what connections carry counts that are made from now on.
    pub(crate) fn count_anew(&self) {
        *self.wire.count.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// Bytes to the server.
    pub(crate) fn up(&self) -> u64 {
        self.wire.count().up.load(Ordering::Acquire)
    }

    /// Bytes from the server.
    pub(crate) fn down(&self) -> u64 {
        self.wire.count().down.load(Ordering::Acquire)
    }
}

impl Wire {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> Arc<Count> {
        Arc::clone(&self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn connect(self: &Arc<Self>, client: &TcpStream, server: SocketAddr) {
        // Whom nobody takes on finds the connection closed.
        if *self.fate() == Fate::Gone(0) {
            return;
        }
        let Ok(server) = TcpStream::connect(server) else { return };
        let count = self.count();
        for is_up in [true, false] {
            let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (from, to) = if is_up { ends } else { (ends.1, ends.0) };
            let (wire, count) = (Arc::clone(self), Arc::clone(&count));
            std::thread::spawn(move || {
                wire.carry(from, to, if is_up { &count.up } else { &count.down });
            });
        }
    }

    /// Passes bytes on in one direction, until there are no more or the line is cut.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
        let mut buffer = vec![0; PIECE];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            if !self.holds(bytes as u64) {
                self.cuts.fetch_add(1, Ordering::AcqRel);
                // Either may be closed by now.
                drop(from.shutdown(Shutdown::Both));
                drop(to.shutdown(Shutdown::Both));
                return;
            }
            count.fetch_add(bytes as u64, Ordering::AcqRel);
            if to.write_all(&buffer[..bytes]).is_err() {
                break;
            }
        }
        drop(from.shutdown(Shutdown::Read));
        drop(to.shutdown(Shutdown::Write));
    }

    /// Whether it still holds when it carries so many more.
    fn holds(&self, bytes: u64) -> bool {
        let mut fate = self.fate();
        match *fate {
            Fate::Whole => true,
            Fate::Cut(left) | Fate::Gone(left) if left >= bytes.max(1) => {
                let left = left - bytes;
                *fate =
                    if matches!(*fate, Fate::Cut(_)) { Fate::Cut(left) } else { Fate::Gone(left) };
                true
            }
            Fate::Cut(_) => {
                *fate = Fate::Whole;
                false
            }
            Fate::Gone(_) => {
                *fate = Fate::Gone(0);
                false
            }
        }
    }
}
