//! The gRPC services, one file a method group.

pub mod status;
