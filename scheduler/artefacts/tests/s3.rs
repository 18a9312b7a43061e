//! The store on a real S3-compatible server: moto.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bucket::Buckets;
use bytes::Bytes;
use line::Line;
use repower_artefacts::{Fault, Hasher, Mover, PIECE, Place, Standing, Store};
use repower_model::Hash;

#[path = "../../../tests/support/bucket.rs"]
#[allow(dead_code, reason = "others use other parts of it")]
mod bucket;
#[path = "../../../tests/support/line.rs"]
#[allow(dead_code, reason = "others use other parts of it")]
mod line;

/// A server with a bucket, at a port; 0: any.
fn buckets(port: u16) -> Buckets {
    Buckets::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), port)
}

/// The store in the bucket of the server at this address.
fn store(server: SocketAddr, folder: &Path) -> Store {
    let credentials = bucket::credentials_file(folder, server);
    let address = "s3://files/some/where".to_owned();
    let folder = folder.join("incoming");
    Store::open(&Place::Bucket { address, credentials: Some(credentials), folder }).unwrap()
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
    let (server, folder) = (buckets(0), tempfile::TempDir::new().unwrap());
    let store = store(server.address, folder.path());

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
    let (server, folder) = (buckets(0), tempfile::TempDir::new().unwrap());
    let store = store(server.address, folder.path());
    let (_, digest) = bytes(4);

    let fault = put(&store, b"evil", digest, 0).await.unwrap_err();

    assert!(matches!(fault, Fault::WrongDigest { .. }), "{fault}");
    assert_eq!(store.stat(digest).await.unwrap(), Standing { bytes: None, received: 0 });
}

#[tokio::test]
async fn a_server_that_goes_away_halfway_is_a_fault_that_passes_and_nothing_is_sent_here_again() {
    let (server, folder) = (buckets(0), tempfile::TempDir::new().unwrap());
    let store = store(server.address, folder.path());
    let (bytes, digest) = bytes(9 << 20);

    let half = store.put(&Mover::Own, digest, bytes.len() as u64, 0).await.unwrap();
    for piece in bytes.chunks(PIECE) {
        half.write(Bytes::copy_from_slice(piece)).await;
    }
    let port = server.stop();
    let gone = half.finish().await.unwrap_err();
    let nobody = store.stat(digest).await.unwrap_err();
    let server = buckets(port);
    let standing = store.stat(digest).await.unwrap();
    put(&store, &bytes, digest, bytes.len()).await.unwrap();

    assert!(matches!(gone, Fault::Remote { .. }) && gone.may_pass(), "{gone}");
    assert!(matches!(nobody, Fault::Remote { .. }), "{nobody}");
    assert_eq!(standing, Standing { bytes: None, received: bytes.len() as u64 });
    assert!(get(&store, digest, 0).await.unwrap() == bytes);
    server.stop();
}

#[tokio::test]
async fn an_artefact_gets_into_a_bucket_and_out_of_it_though_the_line_breaks_in_the_middle() {
    let (server, folder) = (buckets(0), tempfile::TempDir::new().unwrap());
    let line = Line::to(server.address);
    let store = store(line.address, folder.path());
    let (bytes, digest) = bytes(20 << 20);

    line.cut_after(5 << 20);
    let sent = put(&store, &bytes, digest, 0).await;
    assert_eq!(line.cuts(), 1, "it broke in the middle");
    if let Err(fault) = sent {
        // It is all here, and goes on from here.
        assert!(fault.may_pass(), "{fault}");
        put(&store, &bytes, digest, bytes.len()).await.unwrap();
    }
    line.cut_after(5 << 20);
    let mut reading = store.get(&Mover::Own, digest, 0).await.unwrap();
    let (mut back, mut breaks) = (Vec::new(), 0);
    loop {
        match reading.next().await {
            Ok(Some(piece)) => back.extend_from_slice(&piece),
            Ok(None) => break,
            Err(fault) => {
                assert!(matches!(fault, Fault::Remote { .. }) && fault.may_pass(), "{fault}");
                breaks += 1;
                assert!(breaks < 5, "{fault}");
                reading = store.get(&Mover::Own, digest, back.len() as u64).await.unwrap();
            }
        }
    }

    assert_eq!(line.cuts(), 2, "it broke in the middle");
    assert!(back == bytes);
    line.gone_after(5 << 20);
    let gone = get(&store, digest, 0).await.unwrap_err();
    assert!(matches!(gone, Fault::Remote { .. }) && gone.may_pass(), "{gone}");
}
