//! Who may do what: the internal CA, enrolment, the admin token, and one table of methods and roles
//! behind one gate that every call passes.

pub mod authority;
pub mod caller;
pub mod enrol;
pub mod error;
pub mod gate;
pub mod login;
pub mod recover;
pub mod renew;
pub mod roles;
pub mod token;

pub use authority::Authority;
pub use caller::Caller;
pub use error::AuthError;

#[cfg(test)]
mod tests;
