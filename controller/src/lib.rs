//! controller

pub mod channels;
pub mod dns;
