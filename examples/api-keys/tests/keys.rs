//! The example as a program: what it prints works, and nobody manages more than is his.
#![expect(
    clippy::unwrap_used,
    reason = "a counterpart that answers something else fails the test"
)]

use std::{collections::HashMap, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use portcullis_testing::counterpart::{Counterpart, RunningCounterpart};
use portcullis_tests::{patience, wire};
use serde_json::{Value, json};

/// The example, which runs until this is dropped.
struct Example {
    address: SocketAddr,
    /// What it prints as `name=value`.
    printed: HashMap<String, String>,
    curl: Vec<String>,
    _running: RunningCounterpart,
}

impl Example {
    async fn start() -> Self {
        let running = Counterpart::new(env!("CARGO_BIN_EXE_example-api-keys"))
            .with_ready_line("listening at ")
            .start()
            .await;
        let line = running.ready_line();
        let resource = line.strip_prefix("listening at ").unwrap();
        let host = resource.trim_start_matches("http://").trim_end_matches('/');
        // It goes on printing after that line.
        let lines = || running.output().matches("curl ").count();
        patience::eventually("the lines of curl", || lines() == 7).await;
        let output = running.output();
        let output = output.replace("\\\n", " ");
        let lines = || output.lines().map(str::trim);
        let variables = lines().filter(|line| !line.starts_with("curl"));
        Self {
            address: host.parse().unwrap(),
            printed: variables
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            curl: lines()
                .filter(|line| line.starts_with("curl "))
                .map(str::to_owned)
                .collect(),
            _running: running,
        }
    }

    fn key(&self) -> &str {
        self.printed.get("key").unwrap()
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: &str) -> Response<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_owned()).boxed())
            .unwrap();
        wire::http1(self.address, request).await.unwrap()
    }

    async fn get(&self, path: &str, key: &str) -> Response<Bytes> {
        self.send(Method::GET, path, key, "").await
    }

    async fn status(&self, path: &str, key: &str) -> u16 {
        self.get(path, key).await.status().as_u16()
    }

    async fn issue(&self, wanted: &Value) -> Value {
        let wanted = wanted.to_string();
        let answer = self.send(Method::POST, "/keys", self.key(), &wanted).await;
        assert_eq!(answer.status(), 200);
        json_of(&answer)
    }

    /// Does what a line of curl would do.
    async fn curl(&self, line: &str) -> Response<Bytes> {
        let mut line = line.to_owned();
        for (name, value) in &self.printed {
            line = line.replace(&format!("${name}"), value);
        }
        let words = words(&line);
        let mut words = words.iter().map(String::as_str).skip(1);
        let (mut method, mut path, mut key, mut body) = (None, "", "", "");
        while let Some(word) = words.next() {
            match word {
                "-s" | "-i" => {}
                "-X" => method = words.next(),
                "-d" => body = words.next().unwrap(),
                "-H" => {
                    let (name, value) = words.next().unwrap().split_once(": ").unwrap();
                    match name {
                        "Authorization" => key = value.strip_prefix("Bearer ").unwrap(),
                        name => assert_eq!((name, value), ("Content-Type", "application/json")),
                    }
                }
                url => path = url.split_once(&self.address.to_string()).unwrap().1,
            }
        }
        let method = match (method, body) {
            (Some(method), _) => method.parse().unwrap(),
            (None, "") => Method::GET,
            (None, _) => Method::POST,
        };
        self.send(method, path, key, body).await
    }
}

/// The words of a line, as a shell would see them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for char in line.chars() {
        match (char, quote) {
            (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            (char, _) => word.push(char),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_printed_works_as_it_is() {
    let example = Example::start().await;
    let mut answers = Vec::new();
    for line in &example.curl {
        answers.push(example.curl(line).await);
    }
    let statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 401]);
    let [who, notes, issued, listed, rotated, revoked, _] = &answers[..] else {
        unreachable!("as many as lines");
    };
    assert_eq!(who.body(), "alice of api-keys:demo");
    assert_eq!(notes.body(), "buy milk");

    let issued = json_of(issued);
    let key = issued["key"].as_str().unwrap();
    assert!(portcullis::api_keys::is_well_formed(key));
    // Three times a minute.
    for expected in [200, 200, 200, 429] {
        assert_eq!(example.status("/notes", key).await, expected);
    }

    let listed = json_of(listed);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 3);
    let id = &*example.printed["id"];
    let reader = listed.iter().find(|key| key["id"] == id).unwrap();
    assert!(reader["used"].is_string(), "{reader}");
    assert_eq!(reader["scopes"], "notes.read");
    let shown = listed.iter().all(|key| key.get("key").is_none());
    assert!(shown, "a list shows the text of a key");

    let rotated = json_of(rotated);
    assert_eq!(rotated["id"], id);
    assert_eq!(json_of(revoked)["id"], id);
    for key in [rotated["key"].as_str().unwrap(), &example.printed["reader"]] {
        assert_eq!(example.status("/notes", key).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_works_with_both_secrets_for_a_while() {
    let example = Example::start().await;
    let (reader, id) = (&example.printed["reader"], &example.printed["id"]);
    let path = format!("/keys/{id}/rotate");
    let first = json_of(&example.send(Method::POST, &path, example.key(), "").await);
    let first = first["key"].as_str().unwrap();
    for key in [reader, first] {
        assert_eq!(example.status("/notes", key).await, 200);
    }
    // Two secrets at most.
    let second = json_of(&example.send(Method::POST, &path, example.key(), "").await);
    assert_eq!(example.status("/notes", reader).await, 401);
    assert_eq!(example.status("/notes", first).await, 200);
    assert_eq!(
        example
            .status("/notes", second["key"].as_str().unwrap())
            .await,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_key_that_manages_keys_does_and_gives_no_more_than_it_has() {
    let example = Example::start().await;
    let reader = &example.printed["reader"];
    let id = &example.printed["id"];
    for (method, path) in [
        (Method::GET, "/keys".to_owned()),
        (Method::POST, "/keys".to_owned()),
        (Method::POST, format!("/keys/{id}/rotate")),
        (Method::DELETE, format!("/keys/{id}")),
    ] {
        let answer = example.send(method.clone(), &path, reader, "{}").await;
        assert_eq!(answer.status(), 403, "{method} {path}");
        let answer = example.send(method.clone(), &path, "demo_", "{}").await;
        assert_eq!(answer.status(), 401, "{method} {path}");
    }
    for (wanted, status) in [
        (json!({"scopes": "notes.write"}), 403),
        (json!({"scopes": "no\nscope"}), 400),
        (json!({"scopes": "notes.read", "days": 0}), 400),
        (json!({"scopes": "notes.read", "per_minute": 0}), 400),
    ] {
        let wanted = wanted.to_string();
        let answer = example.send(Method::POST, "/keys", example.key(), &wanted);
        assert_eq!(answer.await.status(), status, "{wanted}");
    }
    for id in ["000000000000000", "..", "%27"] {
        let path = format!("/keys/{id}");
        let answer = example.send(Method::DELETE, &path, example.key(), "").await;
        assert!(answer.status().is_client_error(), "{id}");
    }
    // A key of a key manages as well.
    let more = example.issue(&json!({"scopes": "keys.manage"})).await;
    assert_eq!(
        example.status("/keys", more["key"].as_str().unwrap()).await,
        200
    );
}
