//! The JSON-RPC call in the body of a request.

use portcullis::goodbye::RpcCall;
use serde_json::Value;

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "rpc_call",
    check,
    dictionary: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"id\"",
        "\"method\"",
        "\"params\"",
        "null",
        "1",
        "-1",
        "1.0",
        "1e1",
        "\"a\"",
        "\\u0069",
        "\\\"",
        " ",
        "\n",
        "\t",
        "\0",
        "\u{ff49}d",
        "\"id\":1,",
        "\"method\":\"a\",",
        "{\"id\":2}",
    ],
    executions: 40_000,
};

fn check(input: &[u8]) -> Answer {
    let Some(call) = RpcCall::read(input) else {
        // A reader of JSON finds no ordinary call either, of which each member is there once.
        if let Ok(Value::Object(members)) = serde_json::from_slice(input) {
            let text = String::from_utf8_lossy(input);
            let is_id = |id: &Value| (id.is_i64() || id.is_string()) && id.to_string().len() < 40;
            let is_method = |name: &Value| name.as_str().is_some_and(|name| name.len() < 40);
            let is_ordinary = members.get("id").is_some_and(is_id)
                && members.get("method").is_some_and(is_method)
                && !text.contains('\\')
                && text.matches("\"id\"").count() == 1
                && text.matches("\"method\"").count() == 1
                && !text.contains("-0");
            assert!(!is_ordinary, "{text}");
        }
        return Answer::Refused;
    };
    // What is said back is JSON, however bad the rest was, and stays on its line.
    let id: Value = match serde_json::from_str(&call.id().to_string()) {
        Ok(id) => id,
        // Half of a surrogate pair is an escape that JSON allows and that is no text.
        Err(error) => {
            assert!(call.id().to_string().contains("\\u"), "{error}");
            return Answer::Taken;
        }
    };
    assert!(id.is_number() || id.is_string());
    assert!(!call.id().to_string().contains(['\n', '\r']));
    assert!(call.id().to_string().len() <= 256 && call.method().len() <= 256);

    // Who reads the whole finds the same.
    if let Ok(whole) = serde_json::from_slice::<Value>(input) {
        assert_eq!(whole["id"], id);
        assert_eq!(whole["method"], call.method());
    }
    Answer::Taken
}
