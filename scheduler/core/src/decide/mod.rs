//! What comes of each kind of input: one family a file.

pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod cell;
pub(crate) mod checkpoint;
pub(crate) mod each;
pub(crate) mod enter;
pub(crate) mod finding;
pub(crate) mod link;
pub(crate) mod node;
mod owner;
mod project;
pub(crate) mod quarantine;
pub(crate) mod report;
pub(crate) mod reserve;
pub(crate) mod review;
pub(crate) mod settle;
pub(crate) mod submit;
pub(crate) mod token;
