//! RESP, the protocol of Redis clients, versions 2 and 3.

pub mod reply;
pub mod request;
pub mod response;
