//! Requests of every kind that the layers tell apart, and mixtures of them.

use http::Request;
use portcullis::binding::Reaction;
use proptest::{option, prelude::*, sample::select};

/// The header of the device id.
pub(crate) const DEVICE: &str = "x-device-id";

/// What is set for a whole sequence: what comes of a request from elsewhere. `None` if it is not
/// compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether the session store has to be asked.
    pub(crate) is_asked: bool,
    pub(crate) network: Option<Reaction>,
    pub(crate) user_agent: Option<Reaction>,
    pub(crate) device: Option<Reaction>,
}

impl Settings {
    /// The same reaction to everything.
    pub(crate) const fn all(reaction: Reaction) -> Self {
        Self {
            is_asked: false,
            network: Some(reaction),
            user_agent: Some(reaction),
            device: Some(reaction),
        }
    }
}

/// One request of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    /// Seconds since the one before.
    pub(crate) pause: u64,
    /// The last byte of the peer's address, a trusted proxy's.
    pub(crate) peer: Option<u8>,
    method: &'static str,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
    body: usize,
}

impl Generated {
    /// A request with this token, late enough after the one before for every quota.
    pub(crate) fn with_token(uri: &'static str, token: &str) -> Self {
        Self {
            pause: 20,
            peer: None,
            method: "GET",
            uri,
            headers: vec![
                ("host", "agent.example".to_owned()),
                ("authorization", format!("Bearer {token}")),
            ],
            body: 0,
        }
    }

    /// The same with one more header.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut this = self.clone();
        this.headers.push((name, value.to_owned()));
        this
    }

    /// The same from this trusted proxy, right after the one before.
    pub(crate) fn at_once_from(&self, last: u8) -> Self {
        Self {
            pause: 0,
            peer: Some(last),
            ..self.clone()
        }
    }

    pub(crate) fn request(&self) -> Request<String> {
        let uri = match self.uri {
            "long" => format!("/{}", "a".repeat(300)),
            uri => uri.to_owned(),
        };
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body("x".repeat(self.body)).unwrap()
    }
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let reaction = || {
        prop_oneof![
            4 => Just(Some(Reaction::Note)),
            2 => Just(Some(Reaction::Ask)),
            1 => Just(None),
        ]
    };
    (any::<bool>(), reaction(), reaction(), reaction()).prop_map(
        |(is_asked, network, user_agent, device)| Settings {
            is_asked,
            network,
            user_agent,
            device,
        },
    )
}

pub(crate) fn generated() -> impl Strategy<Value = Generated> {
    // Mostly what is right, so that what is wrong is wrong alone, often enough.
    let method = prop_oneof![8 => Just("GET"), 4 => Just("POST"), 2 => Just("OPTIONS"), 1 => select(vec!["HEAD", "DELETE", "CONNECT", "ODD"])];
    let uri = prop_oneof![
        6 => Just("/notes"),
        3 => Just("/public"),
        4 => select(vec!["/payments", "/vault", "/public/vault"]),
        2 => select(vec![
            "/", "/public/", "/public/more", "/notes?a=b", "/a//b", "/a/../b", "/%61", "/a%2fb", "long",
            "/notes?access_token=x", "/notes?access%5Ftoken=x", "https://agent.example/notes",
            "https://evil.example/notes", "*",
        ]),
    ];
    let pause = prop_oneof![6 => Just(0_u64), 1 => 0..120_u64];
    let peer = option::weighted(0.8, 1..4_u8);
    (
        pause,
        peer,
        method,
        uri,
        headers(),
        prop_oneof![4 => Just(0), 1 => 0..80_usize],
    )
        .prop_map(|(pause, peer, method, uri, mut headers, body)| {
            // A preflight is more than a method.
            if method == "OPTIONS" {
                headers.push(("access-control-request-method", "POST".to_owned()));
            }
            // What has no path has an authority.
            let uri = match method {
                "CONNECT" => "agent.example:443",
                "OPTIONS" => uri,
                _ if uri == "*" => "/",
                _ => uri,
            };
            Generated {
                pause,
                peer,
                method,
                uri,
                headers,
                body,
            }
        })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let host = prop_oneof![
        12 => Just(vec!["agent.example"]),
        2 => Just(vec!["localhost:3000"]),
        1 => select(vec![
            vec![], vec!["evil.example"], vec!["agent.example", "agent.example"],
            vec!["AGENT.example:443"], vec!["localhost"],
        ]),
    ];
    let origin = prop_oneof![
        8 => Just(vec![]),
        2 => Just(vec!["https://app.example"]),
        1 => select(vec![
            vec!["https://agent.example"], vec!["https://evil.example"], vec!["null"],
            vec!["https://app.example", "https://app.example"],
        ]),
    ];
    let token = prop_oneof![
        6 => Just("good-alice"),
        3 => Just("io-good-bob"),
        8 => select(vec!["by-app-good-alice", "by-app-good-bob", "by-app-good-carol", "io-by-app-good-dave"]),
        2 => Just("by-web-good-alice"),
        6 => select(vec![
            "scoped-alice", "strong-alice", "stale-alice", "weak-alice", "io-weak-alice",
            "machine-app",
        ]),
        7 => select(vec![
            "bad", "io-bad", "down", "io-down", "garbled", "io-garbled", "bound-a", "io-bound-a",
            "nameless", "strange", "io-strange",
        ]),
    ];
    let authorization = prop_oneof![
        2 => Just(vec![]),
        8 => token.prop_map(|token| vec![format!("Bearer {token}")]),
        1 => select(vec!["", "Bearer", "Bearer a b", "Basic YTpi", "bearer good-alice", "Bearer  a"])
            .prop_map(|line| vec![line.to_owned()]),
        1 => Just(vec!["Bearer good-alice".to_owned(), "Bearer good-bob".to_owned()]),
    ];
    let others = proptest::collection::vec(
        select(vec![
            ("content-length", "0"),
            ("content-length", "65"),
            ("content-length", "+1"),
            ("cookie", "a=b"),
            ("cookie", "a=b; access_token=x"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "6.6.6.6, 1.2.3.5"),
            ("x-forwarded-user", "admin"),
            ("x_forwarded_user", "admin"),
            ("x-tenant", "other"),
            ("upgrade", "websocket"),
            ("x-ask-to-switch", ""),
            ("x-ask-to-cache", ""),
            ("x-ask-for", "payments.transfer"),
            ("x-ask-for", "vault.open"),
            ("x-ask-for", "notes.list"),
            ("x-ask-for", "notes.lost"),
            ("accept", "*/*"),
            ("x-long", "long"),
        ]),
        0..3,
    );
    let agent = prop_oneof![
        8 => Just(vec![]),
        3 => Just(vec!["assistant/1.0"]),
        1 => select(vec![vec!["assistant/1.1"], vec![""], vec!["assistant/1.0", "thief/0.1"]]),
    ];
    let device = prop_oneof![
        8 => Just(vec![]),
        3 => Just(vec!["phone"]),
        1 => select(vec![vec!["tablet"], vec![""], vec!["phone", "tablet"]]),
    ];
    let crowd = prop_oneof![20 => Just(0_usize), 1 => 5..20_usize];
    (host, origin, authorization, agent, device, others, crowd).prop_map(
        |(host, origin, authorization, agent, device, others, crowd)| {
            let line = |name| move |value: &str| (name, value.to_owned());
            let mut headers: Vec<_> = host.into_iter().map(line("host")).collect();
            headers.extend(origin.into_iter().map(line("origin")));
            headers.extend(
                authorization
                    .into_iter()
                    .map(|value| ("authorization", value)),
            );
            headers.extend(agent.into_iter().map(line("user-agent")));
            headers.extend(device.into_iter().map(line(DEVICE)));
            headers.extend(others.into_iter().map(|(name, value)| match value {
                "long" => (name, "x".repeat(2000)),
                _ => (name, value.to_owned()),
            }));
            headers.extend((0..crowd).map(|_| ("x-many", "x".to_owned())));
            headers
        },
    )
}
