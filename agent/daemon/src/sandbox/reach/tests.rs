//! Networks that reach named places, with real sockets.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use super::carrier::CONNECTIONS;
use super::*;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        drop(writeln!(
            std::io::stderr(),
            "SKIPPED: only root makes networks that processes can enter"
        ));
    }
    is_root
}

/// More than the sockets on the way hold.
const MUCH: usize = 12 << 20;
/// What the sockets on the way hold.
const LITTLE: usize = 100_000;

/// A listener that nobody else uses, and its address.
fn place() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Says a word to everybody who comes.
fn speaker(word: &'static str) -> String {
    let (listener, address) = place();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(word.as_bytes()));
        }
    });
    address
}

/// A network, and the folder that its list of hosts is in.
struct World {
    reach: Reach,
    folder: TempDir,
}

impl World {
    fn new(places: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let places: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
        let reach = Reach::open(&places, &folder.path().join("hosts")).unwrap();
        Self { reach, folder }
    }

    /// Does something inside.
    fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.begin(work).join().unwrap()
    }

    fn begin<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let namespace = self.reach.namespace().try_clone_to_owned().unwrap();
        thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            work()
        })
    }

    fn connect(&self, to: &str) -> io::Result<TcpStream> {
        let to = to.to_owned();
        self.inside(move || {
            let stream = TcpStream::connect_timeout(&to.parse().unwrap(), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
    }

    /// All that is heard at a place.
    fn heard(&self, at: &str) -> io::Result<String> {
        let mut text = String::new();
        self.connect(at)?.read_to_string(&mut text)?;
        Ok(text)
    }
}

#[test]
fn a_named_place_is_reached_and_its_neighbour_is_not() {
    if !is_root() {
        return;
    }
    let (listed, other) = (speaker("listed"), speaker("other"));

    let world = World::new(&[&listed]);

    assert_eq!(world.heard(&listed).unwrap(), "listed");
    assert_eq!(world.heard(&other).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let hosts = world.folder.path().join("hosts");
    assert!(hosts.exists());
    drop(world.reach);
    assert!(!hosts.exists());
}

#[test]
fn a_place_elsewhere_stands_at_its_own_address_and_what_is_around_it_is_not_there() {
    if !is_root() {
        return;
    }
    // For documentation only: nobody is there.
    let mut places = vec!["203.0.113.7:9"];
    let has_v6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    places.extend(has_v6.then_some("[2001:db8::7]:9"));
    if !has_v6 {
        drop(writeln!(std::io::stderr(), "SKIPPED: this host has no IP of version 6"));
    }

    let world = World::new(&places);

    for at in &places {
        // A host without a way to it knows so at once.
        let kind = world.connect(at).map_err(|error| error.kind());
        assert!(matches!(kind, Ok(_) | Err(ErrorKind::ConnectionReset)), "{at}: {kind:?}");
    }
    for (at, kind) in [
        ("203.0.113.8:9", ErrorKind::NetworkUnreachable),
        ("203.0.113.7:10", ErrorKind::ConnectionRefused),
        ("198.51.100.1:9", ErrorKind::NetworkUnreachable),
        ("[2001:db8::8]:9", ErrorKind::NetworkUnreachable),
    ] {
        if has_v6 || !at.starts_with('[') {
            assert_eq!(world.heard(at).unwrap_err().kind(), kind, "{at}");
        }
    }
}

#[test]
fn datagrams_reach_nobody() {
    if !is_root() {
        return;
    }
    let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = outside.local_addr().unwrap();
    let listed = to.to_string();

    let world = World::new(&[&listed]);
    let answer = world.inside(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(to).unwrap();
        socket.send(b"hello").unwrap();
        let elsewhere = socket.send_to(b"hello", "192.0.2.53:53").map_err(|error| error.kind());
        (socket.recv(&mut [0; 9]).unwrap_err().kind(), elsewhere)
    });

    assert_eq!(answer.0, ErrorKind::ConnectionRefused, "nobody has that port in there");
    assert_eq!(answer.1, Err(ErrorKind::NetworkUnreachable));
    outside.set_nonblocking(true).unwrap();
    assert_eq!(outside.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn what_goes_both_ways_is_whole_and_an_end_of_one_way_is_told() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    // Sends everything back when there is no more.
    let far = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let sent: Vec<u8> = (0..MUCH).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();

    let world = World::new(&[&listed]);
    let mut stream = world.connect(&listed).unwrap();
    stream.write_all(&sent).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::with_capacity(MUCH);
    stream.read_to_end(&mut back).unwrap();

    assert!(back == sent, "{} bytes of {MUCH} came back", back.len());
    far.join().unwrap();
}

#[test]
fn a_place_where_nobody_is_resets_the_connection_at_once() {
    if !is_root() {
        return;
    }
    let (listener, dead) = place();
    drop(listener);

    let world = World::new(&[&dead]);

    assert_eq!(world.heard(&dead).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_place_that_resets_a_connection_is_told_apart_from_one_that_ends_it() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    let far = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        line::reset(&stream.into());
    });

    let world = World::new(&[&listed]);
    let mut stream = world.connect(&listed).unwrap();
    stream.write_all(b"four").unwrap();

    let heard = stream.read(&mut [0; 9]).unwrap_err();
    assert_eq!(heard.kind(), ErrorKind::ConnectionReset);
    far.join().unwrap();
}

#[test]
fn connections_are_bounded_and_one_that_ends_makes_room() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    let far = thread::spawn(move || {
        let serve = |mut stream: TcpStream| {
            // A task hears of each one that it is there, and ends it.
            stream.write_all(b"1").unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        };
        let all = (0..=CONNECTIONS).map(|_| listener.accept().unwrap().0);
        let all: Vec<_> = all.map(|stream| thread::spawn(move || serve(stream))).collect();
        for one in all {
            one.join().unwrap();
        }
    });
    let world = World::new(&[&listed]);
    let open = || {
        let mut stream = world.connect(&listed)?;
        stream.read_exact(&mut [0])?;
        Ok(stream)
    };
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| open().unwrap()).collect();

    let one_more: io::Result<TcpStream> = open();
    assert_eq!(one_more.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut last = streams.pop().unwrap();
    last.shutdown(std::net::Shutdown::Write).unwrap();
    drop(streams);
    assert_eq!(last.read(&mut [0]).unwrap(), 0, "the place has ended it");
    let next = (0..10_000).find_map(|_| open().ok());
    assert!(next.is_some(), "those that have ended make room");
    drop(next);
    far.join().unwrap();
}

#[test]
fn what_is_cut_reaches_nothing_until_it_is_mended() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    let (sender, receiver) = std::sync::mpsc::sync_channel(4);
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(b"1").unwrap();
            sender.send(stream).unwrap();
        }
    });
    let world = World::new(&[&listed]);
    let mut before = world.connect(&listed).unwrap();
    before.read_exact(&mut [0]).unwrap();
    let mut far = receiver.recv().unwrap();

    world.reach.cut();

    assert_eq!(before.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(far.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(world.heard(&listed).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(receiver.try_recv().is_err(), "the place hears nothing of it");
    world.reach.mend();
    let mut after = world.connect(&listed).unwrap();
    after.read_exact(&mut [0]).unwrap();
}

#[test]
fn what_a_task_has_sent_before_its_end_arrives_and_then_nothing_is_left() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    let (go, gone) = std::sync::mpsc::sync_channel(1);
    let far = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Not before the task is over.
        gone.recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    let world = World::new(&[&listed]);
    let carrier = world.reach.carrier.watch();
    let mut stream = world.connect(&listed).unwrap();
    stream.write_all(&vec![7; LITTLE]).unwrap();

    drop(stream);
    drop(world);
    go.send(()).unwrap();

    assert_eq!(far.join().unwrap(), LITTLE);
    while carrier.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_network_that_is_given_up_has_no_thread_and_no_connection_any_more() {
    if !is_root() {
        return;
    }
    let (listener, listed) = place();
    let world = World::new(&[&listed]);
    let carrier = world.reach.carrier.watch();
    let stream = world.connect(&listed).unwrap();
    let (mut far, _) = listener.accept().unwrap();

    // As when its process is killed.
    drop(stream);
    drop(world);

    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    drop(far);
    while carrier.strong_count() > 0 {
        thread::yield_now();
    }
}
