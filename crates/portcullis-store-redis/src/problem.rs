//! What a store says when it cannot say: without addresses' secrets, keys or values.

use portcullis_core::StoreError;
use redis::{ErrorKind, RedisError};

/// The code under which the scripts of this crate say that something is damaged.
const OURS: &str = "PORTCULLIS";

/// In words, with what an operator has to look at. What the server adds to its code is left out:
/// it may quote what it was sent.
pub(crate) fn describe(error: &RedisError) -> StoreError {
    let code = match error.kind() {
        ErrorKind::Io if error.is_timeout() => {
            return StoreError::new("redis did not take the connection in time");
        }
        ErrorKind::Io => return StoreError::new(format!("redis cannot be reached: {error}")),
        ErrorKind::AuthenticationFailed => {
            return StoreError::new("redis refuses the user or the password");
        }
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            return StoreError::new("redis answers with something else than its protocol");
        }
        _ => error.code().filter(|code| is_code(code)).unwrap_or("ERR"),
    };
    let meaning = match code {
        OURS => {
            let detail = error.detail().unwrap_or("what is kept is damaged");
            return StoreError::new(format!("in redis, {detail}"));
        }
        "BUSY" => "a script keeps it busy",
        "CLUSTERDOWN" => "the cluster is not whole",
        "LOADING" => "it is still loading what it keeps",
        "MASTERDOWN" => "it is a replica that has lost its primary",
        "MISCONF" => "it cannot write to its disk, and takes nothing more",
        "MOVED" | "ASK" => "it is a node of a cluster, and another one has this key",
        "NOAUTH" => "it wants a password",
        "NOPERM" => "the user may not do that",
        "NOREPLICAS" => "it has too few replicas to take anything",
        "OOM" => "it is full",
        "READONLY" => "it is a replica, and takes nothing",
        "WRONGTYPE" => "under a key there is something else than this store keeps there",
        _ => "it refuses what it was asked",
    };
    StoreError::new(format!("redis says {code}: {meaning}"))
}

/// A word as codes are: it is the server that chose it.
fn is_code(code: &str) -> bool {
    (1..=24).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_look_at_and_nothing_that_was_sent() {
        let said = |code: &str, detail: &str| {
            let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
            describe(&error).to_string()
        };
        assert_eq!(
            said("OOM", "command not allowed"),
            "redis says OOM: it is full"
        );
        assert_eq!(
            said(
                "ERR",
                "unknown command 'HELLO', with args beginning with: 'hunter2'"
            ),
            "redis says ERR: it refuses what it was asked"
        );
        assert_eq!(
            said("hunter2", ""),
            "redis says ERR: it refuses what it was asked"
        );
        assert_eq!(
            said("PORTCULLIS", "a session is damaged"),
            "in redis, a session is damaged"
        );
        let parse = RedisError::from((ErrorKind::AuthenticationFailed, "hunter2"));
        assert_eq!(
            describe(&parse).to_string(),
            "redis refuses the user or the password"
        );
    }
}
