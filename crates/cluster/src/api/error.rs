//! The body of every answer that is not a success.

use serde::{Deserialize, Serialize};

/// What went wrong, for a program (`code`), for a person (`message`), and what to do about it (`hint`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// `host:port` of the leader, with [`ErrorCode::NotLeader`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), hint: None, leader: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.hint = Some(hint.into());
        self
    }

    /// The HTTP status of this error.
    pub fn status(&self) -> u16 {
        match self.code {
            ErrorCode::Invalid => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::ForeignCluster => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::Method => 405,
            ErrorCode::Slow => 408,
            ErrorCode::Exists | ErrorCode::Conflict | ErrorCode::Stale => 409,
            ErrorCode::TooLarge => 413,
            ErrorCode::NotLeader => 421,
            ErrorCode::NotEligible => 422,
            ErrorCode::Internal => 500,
            ErrorCode::NoLeader | ErrorCode::NoHost => 503,
            ErrorCode::Timeout => 504,
        }
    }

    /// Whether the same request may succeed a moment later, here or at another config server, and is known
    /// not to have been carried out.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, ErrorCode::NotLeader | ErrorCode::NoLeader | ErrorCode::NoHost)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request itself is wrong; repeating it is of no use.
    Invalid,
    /// The cluster secret is missing or wrong.
    Unauthorized,
    /// The request belongs to another cluster.
    ForeignCluster,
    NotFound,
    /// The path exists, and does not answer this method.
    Method,
    /// The body of the request did not arrive in time.
    Slow,
    /// The body of the request is larger than any that makes sense.
    TooLarge,
    /// There is one of that name already.
    Exists,
    /// Something else is under way that excludes this.
    Conflict,
    /// A newer sender, sequence number or epoch is known.
    Stale,
    /// Ask the server in `leader`.
    NotLeader,
    /// No node may become master; the reasons are in the message.
    NotEligible,
    Internal,
    /// The config servers have no leader at present: ask again shortly.
    NoLeader,
    /// No agent has joined, so there is nowhere to place nodes: ask again when one has.
    NoHost,
    /// The deadline passed; what was asked for may still happen.
    Timeout,
}
