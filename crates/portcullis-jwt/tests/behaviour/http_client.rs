//! The built-in client, against a listener on loopback.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_core::{Authenticator as _, Clock as _};
use portcullis_jwt::{Issuer, Jwt, JwtAuthenticator, reason};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{
    AUDIENCE, Answer, answer,
    clock::ManualClock,
    idp::site,
    signer::{Signer, jwks},
};

/// What comes after a response's bytes.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Hang,
    Repeat,
}

/// A listener that answers by path.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(reply: impl Fn(&str, &str) -> (String, Then) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, base, reply) = (Arc::clone(&connections), url.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (base, reply) = (base.clone(), Arc::clone(&reply));
                tokio::spawn(async move {
                    let mut request = vec![0; 8192];
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    let head = String::from_utf8_lossy(&request[..length]).into_owned();
                    let (bytes, then) = reply(&base, &head);
                    let mut alive = stream.write_all(bytes.as_bytes()).await.is_ok();
                    match then {
                        Then::Close => {}
                        Then::Hang => std::future::pending().await,
                        Then::Repeat => {
                            while alive {
                                alive = stream.write_all(&[b' '; 65_536]).await.is_ok();
                            }
                        }
                    }
                });
            }
        });
        Self { url, connections }
    }

    async fn sending(response: String, then: Then) -> Self {
        Self::start(move |_, _| (response.clone(), then)).await
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}")
}

/// An authenticator that takes its keys from this URL of the local network.
fn local(clock: &ManualClock, url: &str) -> JwtAuthenticator {
    let issuer = Issuer::new("https://idp.example")
        .with_jwks_url(url)
        .dangerously_allow_local_network();
    Jwt::new(issuer)
        .with_audience(AUDIENCE)
        .build(&site(clock))
        .unwrap()
}

const UNAVAILABLE: Answer = Answer::Unavailable(reason::KEYS_UNAVAILABLE);

#[tokio::test]
async fn retrieves_metadata_and_keys() {
    let signer = Signer::es256("a");
    let keys = jwks([&signer]);
    let server = Server::start(move |base, head| {
        let lower = head.to_lowercase();
        for forbidden in ["cookie:", "authorization:", "accept-encoding:", "referer:"] {
            assert!(!lower.contains(forbidden), "{head}");
        }
        let body = match head.split(' ').nth(1).unwrap_or_default() {
            "/.well-known/oauth-authorization-server" => {
                json!({"issuer": base, "jwks_uri": format!("{base}/keys")}).to_string()
            }
            "/keys" => keys.clone(),
            _ => return (response("404 Not Found", ""), Then::Close),
        };
        (
            response("200 OK\r\ncache-control: max-age=60", &body),
            Then::Close,
        )
    })
    .await;
    let clock = ManualClock::new();
    let auth = Jwt::new(Issuer::new(server.url.as_str()).dangerously_allow_local_network())
        .with_audience(AUDIENCE)
        .build(&site(&clock))
        .unwrap();
    let token = signer.token_with(json!({"iss": server.url}));
    assert_eq!(answer(&auth, &token, clock.now()).await, Answer::Accepted);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn the_local_network_is_refused_by_default() {
    let signer = Signer::es256("a");
    let server = Server::sending(response("200 OK", &jwks([&signer])), Then::Close).await;
    let port = server.url.rsplit_once(':').unwrap().1;
    let clock = ManualClock::new();
    // Literal addresses and `localhost` are refused when the authenticator is built.
    let build = |url: &str| {
        Jwt::new(Issuer::new("https://idp.example").with_jwks_url(url))
            .with_audience(AUDIENCE)
            .build(&site(&clock))
    };
    assert!(build(&server.url).is_err());
    assert!(build(&format!("https://127.0.0.1:{port}/")).is_err());
    assert!(build(&format!("https://localhost:{port}/")).is_err());
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let signer = Signer::es256("a");
    let target = Server::sending(response("200 OK", &jwks([&signer])), Then::Close).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let head = format!("{status}\r\nlocation: {}/keys", target.url);
        let server = Server::sending(response(&head, ""), Then::Close).await;
        let clock = ManualClock::new();
        let auth = local(&clock, &server.url);
        assert_eq!(
            answer(&auth, &signer.token(), clock.now()).await,
            UNAVAILABLE
        );
        let problem = auth.ready().await.unwrap_err().to_string();
        assert!(problem.ends_with("redirects are not followed"), "{problem}");
    }
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn a_body_is_read_up_to_a_bound_only() {
    let signer = Signer::es256("a");
    let keys = jwks([&signer]);
    let padded = |length: usize| format!("{keys}{}", " ".repeat(length - keys.len()));
    let limit = 256 * 1024;
    let cases = [
        (response("200 OK", &padded(limit)), Then::Close, true),
        (response("200 OK", &padded(limit + 1)), Then::Close, false),
        (
            response("200 OK\r\ncontent-length: 104857600", &keys),
            Then::Hang,
            false,
        ),
        (response("200 OK", &keys), Then::Repeat, false),
        (
            response(
                "200 OK\r\ntransfer-encoding: chunked",
                "ffffffffffffffff0\r\n",
            ),
            Then::Close,
            false,
        ),
        (
            response("200 OK\r\ncontent-length: 9000", &keys),
            Then::Close,
            false,
        ),
    ];
    for (n, (bytes, then, is_good)) in cases.into_iter().enumerate() {
        let server = Server::sending(bytes, then).await;
        let clock = ManualClock::new();
        let auth = local(&clock, &server.url);
        let expected = if is_good {
            Answer::Accepted
        } else {
            UNAVAILABLE
        };
        assert_eq!(
            answer(&auth, &signer.token(), clock.now()).await,
            expected,
            "{n}"
        );
    }
}

#[tokio::test]
async fn nothing_is_decompressed() {
    // What claims to be gzip and is plain text is taken as the text that it is.
    let signer = Signer::es256("a");
    let head = "200 OK\r\ncontent-encoding: gzip";
    let server = Server::sending(response(head, &jwks([&signer])), Then::Close).await;
    let clock = ManualClock::new();
    let auth = local(&clock, &server.url);
    assert_eq!(
        answer(&auth, &signer.token(), clock.now()).await,
        Answer::Accepted
    );
}

#[tokio::test]
async fn a_slow_drip_meets_the_deadline() {
    let signer = Signer::es256("a");
    let drip = response("200 OK\r\ncontent-length: 9000", "{");
    let server = Server::sending(drip, Then::Hang).await;
    let clock = ManualClock::new();
    let auth = local(&clock, &server.url);
    let waiting = {
        let (auth, token, now) = (auth.clone(), signer.token(), clock.now());
        tokio::spawn(async move { answer(&auth, &token, now).await })
    };
    while server.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    clock.advance(Duration::from_secs(5));
    assert_eq!(waiting.await.unwrap(), UNAVAILABLE);
}

#[tokio::test]
async fn https_is_not_spoken_with_something_else() {
    let signer = Signer::es256("a");
    let server = Server::sending(response("200 OK", &jwks([&signer])), Then::Close).await;
    let clock = ManualClock::new();
    let auth = local(&clock, &server.url.replace("http:", "https:"));
    assert_eq!(
        answer(&auth, &signer.token(), clock.now()).await,
        UNAVAILABLE
    );
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let clock = ManualClock::new();
    let auth = local(&clock, &url);
    let token = Signer::es256("a").token();
    assert_eq!(answer(&auth, &token, clock.now()).await, UNAVAILABLE);
}
