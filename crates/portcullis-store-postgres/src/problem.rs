//! What a store says when it cannot say: without addresses' secrets, keys or values.

use std::error::Error as _;

use portcullis_core::StoreError;
use tokio_postgres::error::{Error, Severity};

/// The code by which the functions of this crate say that something is damaged.
const OURS: &str = "PC001";

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The connection is of no use any more.
    Lost(StoreError),
    /// The server has answered with an error.
    Said(StoreError),
}

impl Problem {
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Lost(error) | Self::Said(error) => error,
        }
    }
}

/// In words, with what an operator has to look at. What the server adds to its code is left out:
/// it may quote what it was sent.
pub(crate) fn describe(error: &Error) -> Problem {
    let Some(said) = error.as_db_error() else {
        return Problem::Lost(StoreError::new(format!(
            "postgres cannot be reached: {}",
            cause(error)
        )));
    };
    let code = said.code().code();
    let error = StoreError::new(in_words(code, said.message()));
    // A server ends what it calls fatal. One that is read-only may be a former primary, and the
    // address leads to another; what has lost its tables is looked at anew.
    let is_fatal = matches!(
        said.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    );
    let is_of_no_use = is_fatal
        || code.starts_with("08")
        || code.starts_with("57P")
        || ["25006", "3F000", "42P01", "42883", "42703", OURS].contains(&code);
    match is_of_no_use {
        true => Problem::Lost(error),
        false => Problem::Said(error),
    }
}

/// What the system says, which quotes nothing that was sent.
fn cause(error: &Error) -> String {
    if error.is_closed() {
        return "the connection is closed".to_owned();
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.to_string();
        }
        source = cause.source();
    }
    // One of a few sentences of the client: it does not take the password, or TLS.
    let sentence = error.to_string();
    sentence.split(':').next().unwrap_or_default().to_owned()
}

fn in_words(code: &str, message: &str) -> String {
    if code == OURS {
        return format!("in postgres, {message} is damaged");
    }
    let class = code.get(..2).unwrap_or_default();
    let meaning = match (code, class) {
        ("25006", _) => "it is a replica, or read-only",
        ("28000" | "28P01", _) => "it refuses the user or the password",
        ("3D000", _) => "it has no such database",
        ("3F000" | "42P01" | "42883" | "42703", _) => {
            "what this store keeps there is gone, or not what this store keeps there"
        }
        ("42501", _) => "the user may not do that",
        ("53100", _) => "its disk is full",
        ("53200", _) => "it has no memory left",
        ("53300", _) => "it takes no more connections",
        ("55P03" | "57014", _) => "it has given up, or somebody has made it give up",
        ("57P01" | "57P02", _) => "it is being shut down",
        ("57P03", _) => "it is still starting, or being shut down",
        ("57P04", _) => "the database was dropped",
        ("57P05", _) => "the connection was idle for too long",
        (_, "08") => "the connection broke",
        (_, "22" | "23") => "what is kept there is not what this store keeps there",
        (_, "58") => "its system has failed",
        (_, "XX") => "what it keeps is damaged",
        _ => "it refuses what it was asked",
    };
    let code = if is_code(code) { code } else { "an error" };
    format!("postgres says {code}: {meaning}")
}

/// Five letters and digits: it is the server that chose them.
fn is_code(code: &str) -> bool {
    let is_of_one = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    code.len() == 5 && code.bytes().all(is_of_one)
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::new(format!("{what} in postgres is damaged"))
}

/// An answer that no function of ours gives.
pub(crate) fn strange() -> StoreError {
    damaged("an answer of a function")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_look_at_and_nothing_that_was_sent() {
        for (code, message, expected) in [
            ("53100", "hunter2", "postgres says 53100: its disk is full"),
            (
                "P0001",
                "hunter2",
                "postgres says P0001: it refuses what it was asked",
            ),
            (
                "hunter2",
                "",
                "postgres says an error: it refuses what it was asked",
            ),
            (
                OURS,
                "the row of `life`",
                "in postgres, the row of `life` is damaged",
            ),
        ] {
            assert_eq!(in_words(code, message), expected);
        }
    }
}
