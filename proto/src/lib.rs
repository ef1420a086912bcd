//! The wire: generated types in [`v1`], and the only conversions between them and the model.

pub mod convert;

/// The generated types and services of `lifeboat.v1`. They stop at the conversions: no other crate
/// keeps one in its state.
#[allow(missing_docs, clippy::all, clippy::too_many_lines)]
pub mod v1 {
    tonic::include_proto!("lifeboat.v1");

    /// Encoded descriptors, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

/// Largest message in either direction, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024 + 64 * 1024;

pub use convert::{
    LeaseReply, MAX_EXTEND_BYTES, Malformed, extend_of, extend_to_wire, extended_of, extended_to_wire,
    lease_answer_to_wire, lease_reply, lease_request, lease_request_to_wire, order_to_wire,
    problem_of_status, required, run_id_of, status_of_problem, uuid_of,
};
