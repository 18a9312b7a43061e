use super::*;
use crate::Hasher;

fn digest(bytes: &[u8]) -> Hash {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

fn store() -> (tempfile::TempDir, Store) {
    let root = tempfile::TempDir::new().unwrap();
    let store = Store::open(&Place::Folder(root.path().to_owned())).unwrap();
    (root, store)
}

async fn all(store: &Store, digest: Hash, offset: u64) -> Vec<u8> {
    let mut reading = store.get(&Mover::Own, digest, offset).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next().await.unwrap() {
        assert!(piece.len() <= PIECE);
        bytes.extend_from_slice(&piece);
    }
    bytes
}

#[tokio::test]
async fn what_was_put_is_there_and_comes_out_from_any_place() {
    let (_root, store) = store();
    let bytes: Vec<u8> = (0..3 * PIECE + 17).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let digest = digest(&bytes);

    let put = store.put(&Mover::Own, digest, bytes.len() as u64, 0).await.unwrap();
    for piece in bytes.chunks(PIECE) {
        assert!(put.write(Bytes::copy_from_slice(piece)).await);
    }
    put.finish().await.unwrap();

    let standing = store.stat(digest).await.unwrap();
    assert_eq!(standing, Standing { bytes: Some(bytes.len() as u64), received: 0 });
    assert_eq!(all(&store, digest, 0).await, bytes);
    assert_eq!(all(&store, digest, 2_000_000).await, bytes[2_000_000..]);
    assert!(all(&store, digest, bytes.len() as u64).await.is_empty());
}

#[tokio::test]
async fn a_transfer_that_broke_off_goes_on_where_it_was() {
    let (_root, store) = store();
    let digest = digest(b"hello world");

    let put = store.put(&Mover::Own, digest, 11, 0).await.unwrap();
    put.write(Bytes::from_static(b"hello ")).await;
    let broken = put.finish().await.unwrap_err();
    let standing = store.stat(digest).await.unwrap();
    let put = store.put(&Mover::Own, digest, 11, 6).await.unwrap();
    put.write(Bytes::from_static(b"world")).await;
    put.finish().await.unwrap();

    assert!(matches!(broken, Fault::WrongSize { expected: 11, found: 6 }), "{broken}");
    assert_eq!(standing, Standing { bytes: None, received: 6 });
    assert_eq!(all(&store, digest, 0).await, b"hello world");
}

#[tokio::test]
async fn bytes_of_another_digest_are_never_visible_and_do_not_stay() {
    let (_root, store) = store();
    let digest = digest(b"good");

    let put = store.put(&Mover::Own, digest, 4, 0).await.unwrap();
    put.write(Bytes::from_static(b"evil")).await;
    let fault = put.finish().await.unwrap_err();

    assert!(matches!(fault, Fault::WrongDigest { .. }), "{fault}");
    assert_eq!(store.stat(digest).await.unwrap(), Standing { bytes: None, received: 0 });
}

#[tokio::test]
async fn more_bytes_than_were_said_are_refused() {
    let (_root, store) = store();

    let put = store.put(&Mover::Own, digest(b"four"), 4, 0).await.unwrap();
    put.write(Bytes::from_static(b"fours")).await;
    let fault = put.finish().await.unwrap_err();

    assert!(matches!(fault, Fault::WrongSize { expected: 4, found: 5 }), "{fault}");
}

#[tokio::test]
async fn the_same_sender_may_come_back_before_its_old_connection_is_gone() {
    let (_root, store) = store();
    let digest = digest(b"hello world");
    let old = store.put(&Mover::Own, digest, 11, 0).await.unwrap();
    old.write(Bytes::from_static(b"hello ")).await;

    let (fault, new) = tokio::join!(
        async {
            let fault = old.superseded().await;
            drop(old);
            fault
        },
        store.put(&Mover::Own, digest, 11, 0)
    );
    let new = new.unwrap();
    new.write(Bytes::from_static(b"hello world")).await;
    new.finish().await.unwrap();

    assert!(matches!(fault, Fault::Superseded { .. }), "{fault}");
    assert_eq!(all(&store, digest, 0).await, b"hello world");
    assert!(store.incoming().is_empty());
}

#[tokio::test]
async fn what_was_removed_is_missing() {
    let (root, store) = store();
    let path = root.path().join("file");
    std::fs::write(&path, "hello").unwrap();
    let digest = digest(b"hello");
    store.put_file(&path, digest).await.unwrap();
    let listed = store.list(digest.0[0]).await.unwrap();

    store.remove(digest).await.unwrap();

    assert_eq!((listed.len(), listed[0].digest, listed[0].bytes), (1, digest, 5));
    assert!(matches!(store.get(&Mover::Own, digest, 0).await, Err(Fault::Missing { .. })));
}

#[tokio::test]
async fn whoever_holds_all_its_transfers_up_keeps_nobody_else_waiting() {
    let (root, store) = store();
    let path = root.path().join("file");
    std::fs::write(&path, "hello").unwrap();
    let digest = digest(b"hello");
    store.put_file(&path, digest).await.unwrap();
    let person = |name: &str| Mover::Person(name.to_owned());
    let mut held = Vec::new();
    let limit = std::time::Duration::from_mins(1);

    // As many as there were ever let in, and more: by people who read nothing, and send nothing.
    for name in ["a", "b", "c", "d"] {
        for number in 0..8_u8 {
            let reading = store.get(&person(name), digest, 0).await.unwrap();
            let mut other = Hash([name.as_bytes()[0]; 32]);
            other.0[0] = number;
            held.push((reading, store.put(&person(name), other, 1, 0).await.unwrap()));
        }
    }
    let others = [Mover::Own, Mover::Node(repower_model::NodeId(1))];
    for other in &others {
        let moved = async {
            let mut reading = store.get(other, digest, 0).await.unwrap();
            assert_eq!(reading.next().await.unwrap().unwrap(), "hello");
            let put = store.put(other, digest, 5, 0).await.unwrap();
            put.write(Bytes::from_static(b"hello")).await;
            put.finish().await.unwrap();
        };
        tokio::time::timeout(limit, moved).await.expect("it has room of its own");
    }

    assert_eq!(held.len(), 32);
}
