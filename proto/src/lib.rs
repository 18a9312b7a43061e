//! The wire: messages and services of `repower/v1`, and the one door from wire to model.

pub mod convert;

/// The messages and services as generated from the `.proto` files.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        reason = "generated code; the words are in the .proto files"
    )]
    tonic::include_proto!("repower.v1");

    /// The encoded descriptor set of all services, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/repower.v1.bin"));
}
