//! Files of jobs: a store by content, and the ways that bytes travel.
//!
//! An *artefact* is a stream of bytes named by its SHA-256. Whoever has the name can check the bytes, so it
//! does not matter where they come from, and the same bytes are kept and sent once.
//!
//! - [`Folder`]: artefacts in a folder, with what has arrived of those that are on their way;
//! - [`Store`]: the scheduler's, in a folder or in a bucket ([`Place`]), for many callers at a time;
//! - [`Pool`]: how much of something goes on at one time, of which no client can have all;
//! - [`Web`], [`Bucket`]: other machines, over HTTP;
//! - [`Beneath`], [`archive`], [`outputs`]: files below a folder, which nothing can lead out of.
//!
//! Nothing here knows what a job is, or who may have what.

pub mod archive;
mod beneath;
mod bucket;
mod digest;
mod disk;
mod fault;
mod folder;
pub mod outputs;
mod part;
mod pool;
mod store;
mod web;

pub use beneath::{Beneath, Escape, Mode, check_path};
pub use bucket::{Bucket, Place};
pub use digest::{Hasher, hash_file, parse_digest};
pub use disk::Disk;
pub use fault::Fault;
pub use folder::{Coming, Entry, Folder};
pub use part::{Part, Sealed};
pub use pool::{Permit, Pool};
pub use store::{Mover, Put, Reading, Standing, Store};
pub use web::{Body, Web};

/// The bytes of one piece of an artefact on its way, at most.
pub const PIECE: usize = 1 << 20;
