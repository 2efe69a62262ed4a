use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::*;
use crate::clock::VirtualClock;

const ALL: [SigningAlgorithm; 5] = [
    SigningAlgorithm::EdDsa,
    SigningAlgorithm::Es256,
    SigningAlgorithm::Es384,
    SigningAlgorithm::Ps256,
    SigningAlgorithm::Rs256,
];

fn decode(text: &str) -> Vec<u8> {
    BASE64URL.decode(text).unwrap()
}

fn read(segment: &str) -> Value {
    serde_json::from_slice(&decode(segment)).unwrap()
}

fn segments(token: &str) -> [String; 3] {
    let segments: Vec<_> = token.split('.').map(str::to_owned).collect();
    segments.try_into().unwrap()
}

/// Whether a key of the set with the token's `kid` verifies its signature.
fn verifies(jwks: &Value, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = read(&segments(token)[0]);
    let keys = jwks["keys"].as_array().unwrap();
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    let part = |name: &str| decode(key[name].as_str().unwrap());
    let (signed, signature) = (signed.as_bytes(), decode(signature));
    let point = || [vec![4], part("x"), part("y")].concat();
    let rsa = |algorithm| {
        let components = RsaPublicKeyComponents {
            n: part("n"),
            e: part("e"),
        };
        components.verify(algorithm, signed, &signature)
    };
    match key["alg"].as_str().unwrap() {
        "EdDSA" => UnparsedPublicKey::new(&ED25519, part("x")).verify(signed, &signature),
        "ES256" => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()).verify(signed, &signature)
        }
        "ES384" => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()).verify(signed, &signature)
        }
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        other => panic!("{other}"),
    }
    .is_ok()
}

async fn send(request: Request<Full<Bytes>>) -> http::Response<Incoming> {
    let authority = request.uri().authority().unwrap().as_str();
    let stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

async fn get(address: &str) -> http::Response<Incoming> {
    send(Request::get(address).body(Full::default()).unwrap()).await
}

async fn get_json(address: &str) -> Value {
    let body = get(address).await.into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

#[test]
fn every_algorithm_signs_what_its_published_key_verifies() {
    let idp = IdentityProvider::new().with_algorithms(ALL);
    for algorithm in ALL {
        let token = idp.token("alice").with_algorithm(algorithm);
        assert_eq!(
            read(&segments(&token.mint())[0]),
            json!({ "alg": algorithm.name(), "kid": idp.key_id(algorithm), "typ": "at+jwt" })
        );
        let jwks = idp.jwks();
        assert!(verifies(&jwks, &token.mint()), "{algorithm:?}");
        for bad in [
            token.clone().with_flipped_signature(),
            token.clone().with_truncated_signature(),
            token.clone().with_empty_signature(),
            token.clone().with_forged_signature(),
            token
                .clone()
                .with_signature_of(&IdentityProvider::new().with_algorithms([algorithm])),
        ] {
            assert!(!verifies(&jwks, &bad.mint()), "{algorithm:?}");
        }
        assert!(!idp.public_key_der(algorithm).is_empty());
    }
}

#[test]
fn a_token_says_what_it_was_told() {
    let idp = IdentityProvider::new().with_clock(VirtualClock::new());
    let token = idp
        .token("alice")
        .with_audience("https://notes.example")
        .with_scope("notes.read")
        .with_client("app")
        .with_lifetime(Duration::from_secs(60))
        .with_age(Duration::from_secs(10))
        .with_claim("acr", "gold")
        .with_claim("jti", "7");
    let now = VirtualClock::START.unix_seconds();
    assert_eq!(
        read(&segments(&token.mint())[1]),
        json!({
            "iss": "https://idp.example", "sub": "alice", "aud": "https://notes.example",
            "client_id": "app", "scope": "notes.read", "iat": now - 10, "exp": now + 50,
            "acr": "gold", "jti": "7",
        })
    );
    let claims = read(&segments(&token.clone().without_claim("exp").mint())[1]);
    assert_eq!(claims.get("exp"), None);
    let claims = read(&segments(&idp.client_token("robot").mint())[1]);
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("robot"), &json!("robot"))
    );
}

#[test]
fn spoiled_text_is_signed_as_it_stands() {
    let idp = IdentityProvider::new().with_algorithms([SigningAlgorithm::EdDsa]);
    let raw = r#"{"alg":"EdDSA","kid":"eddsa-1","k\u0069d":"other"}"#;
    let token = idp.token("alice").with_raw_header(raw).mint();
    assert_eq!(decode(&segments(&token)[0]), raw.as_bytes());
    let token = idp.token("alice").with_raw_claims(*b"\xff").mint();
    assert_eq!(segments(&token)[1], "_w");
    assert!(verifies(&idp.jwks(), &token));
    let token = idp
        .token("alice")
        .with_edited(Segment::Claims, |text| text + "=")
        .mint();
    assert!(segments(&token)[1].ends_with('='));
    assert!(verifies(&idp.jwks(), &token));
    let token = idp
        .token("alice")
        .with_edited(Segment::Signature, |text| text + ".")
        .mint();
    assert_eq!(token.matches('.').count(), 3);
}

#[test]
fn other_algorithms_are_named_in_the_header() {
    let idp = IdentityProvider::new();
    let none = segments(&idp.token("alice").with_algorithm_none().mint());
    assert_eq!(read(&none[0])["alg"], "none");
    assert_eq!(none[2], "");
    let hmac = segments(&idp.token("alice").with_hmac_secret("secret").mint());
    assert_eq!(read(&hmac[0])["alg"], "HS256");
    assert_eq!(decode(&hmac[2]).len(), 32);
}

#[test]
fn keys_come_and_go() {
    let idp = IdentityProvider::new().with_algorithms([SigningAlgorithm::EdDsa]);
    let old = idp.key_id(SigningAlgorithm::EdDsa);
    let new = idp.rotate(SigningAlgorithm::EdDsa);
    assert_eq!((&*old, &*new), ("eddsa-1", "eddsa-2"));
    let by_old = idp.token("alice").with_key(&old).mint();
    let by_new = idp.token("alice").mint();
    assert_eq!(read(&segments(&by_new)[0])["kid"], "eddsa-2");
    assert!(verifies(&idp.jwks(), &by_old) && verifies(&idp.jwks(), &by_new));
    idp.withdraw(&old);
    assert!(!verifies(&idp.jwks(), &by_old));
    idp.publish_extra_jwk(json!({ "kty": "oct", "k": "AAAA" }));
    assert_eq!(idp.jwks()["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn serves_metadata_and_keys_and_counts_requests() {
    let idp = IdentityProvider::new()
        .with_path("/tenants/7")
        .serve()
        .await;
    let origin = idp.issuer().strip_suffix("/tenants/7").unwrap();
    for address in [
        format!("{}/.well-known/openid-configuration", idp.issuer()),
        format!("{origin}/.well-known/oauth-authorization-server/tenants/7"),
    ] {
        assert_eq!(get_json(&address).await, idp.metadata());
    }
    let metadata = idp.metadata();
    assert_eq!(metadata["issuer"], idp.issuer());
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256"])
    );
    let response = get(metadata["jwks_uri"].as_str().unwrap()).await;
    assert_eq!(
        response.headers()[header::CACHE_CONTROL],
        "public, max-age=300"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let served: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(served, idp.jwks());
    assert_eq!((idp.discovery_requests(), idp.jwks_requests()), (2, 1));
    assert_eq!(get(&format!("{origin}/jwks")).await.status(), 404);
}

#[tokio::test]
async fn gives_tokens_to_its_clients() {
    let idp = IdentityProvider::new()
        .add_client("robot", "s3cret")
        .serve()
        .await;
    let ask = |body: &'static str, basic: Option<&'static str>| {
        let mut request = Request::post(idp.token_endpoint());
        if let Some(basic) = basic {
            request = request.header(header::AUTHORIZATION, basic);
        }
        send(request.body(Full::from(body)).unwrap())
    };
    let form = "grant_type=client_credentials&resource=https%3A%2F%2Fnotes.example&scope=a+b";
    // `robot:s3cret`
    let response = ask(form, Some("Basic cm9ib3Q6czNjcmV0")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    assert!(verifies(&idp.jwks(), token));
    let claims = read(&segments(token)[1]);
    assert_eq!(claims["aud"], "https://notes.example");
    assert_eq!(claims["scope"], "a b");
    assert_eq!(claims["sub"], "robot");
    assert_eq!(ask(form, None).await.status(), 401);
    assert_eq!(
        ask(form, Some("Basic cm9ib3Q6d3Jvbmc=")).await.status(),
        401
    );
    let other = "grant_type=password&client_id=robot&client_secret=s3cret";
    assert_eq!(ask(other, None).await.status(), 400);
    assert_eq!(idp.token_requests(), 4);
}

#[tokio::test]
async fn misbehaves_until_it_is_told_to_behave() {
    let idp = IdentityProvider::new().serve().await;
    let uri = idp.jwks_uri();
    let on_jwks = |misbehaviour| idp.misbehave(Endpoint::Jwks, misbehaviour);

    on_jwks(Misbehaviour::Status(500));
    assert_eq!(get(&uri).await.status(), 500);
    on_jwks(Misbehaviour::Html);
    assert_eq!(get(&uri).await.headers()[header::CONTENT_TYPE], "text/html");
    on_jwks(Misbehaviour::EmptySet);
    assert_eq!(get_json(&uri).await, json!({ "keys": [] }));
    on_jwks(Misbehaviour::Body("[]".to_owned()));
    assert_eq!(get_json(&uri).await, json!([]));
    on_jwks(Misbehaviour::RedirectTo(
        "http://elsewhere.example/".to_owned(),
    ));
    let response = get(&uri).await;
    assert_eq!(response.status(), 302);
    assert_eq!(
        response.headers()[header::LOCATION],
        "http://elsewhere.example/"
    );
    on_jwks(Misbehaviour::CutShort);
    assert!(get(&uri).await.into_body().collect().await.is_err());
    on_jwks(Misbehaviour::HugeBody);
    let mut body = get(&uri).await.into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        seen += frame.unwrap().into_data().unwrap().len();
    }
    assert!(seen > 100 * 1024 * 1024 - 65_536, "{seen}");
    idp.behave(Endpoint::Jwks);
    assert_eq!(get_json(&uri).await, idp.jwks());
    assert_eq!(idp.jwks_requests(), 8);

    let discovery = format!("{}/.well-known/openid-configuration", idp.issuer());
    let wrong = Misbehaviour::WrongIssuer("https://evil.example".to_owned());
    idp.misbehave(Endpoint::Discovery, wrong);
    assert_eq!(get_json(&discovery).await["issuer"], "https://evil.example");
}

#[tokio::test]
async fn a_slow_answer_comes_as_the_clock_moves() {
    let clock = VirtualClock::new();
    let idp = IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::EdDsa])
        .with_clock(clock.clone())
        .serve()
        .await;
    idp.misbehave(Endpoint::Jwks, Misbehaviour::SlowDrip);
    let mut body = get(&idp.jwks_uri()).await.into_body();
    for expected in [b"{", b"\"", b"k"] {
        clock.wait_for_timers(1).await;
        clock.advance(Duration::from_secs(1));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&*piece, expected);
    }
}

#[tokio::test]
async fn the_bomb_is_gzip_that_unpacks_to_much_more() {
    let idp = IdentityProvider::new().serve().await;
    idp.misbehave(Endpoint::Jwks, Misbehaviour::GzipBomb);
    let response = get(&idp.jwks_uri()).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.len() < 700 * 1024, "{}", body.len());
    // The first copies: 8 of 13 bits, from the sixth bit of the second byte on.
    assert_eq!(body[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    if let Ok(p) = std::env::var("BOMB_OUT") {
        std::fs::write(p, &body).unwrap();
    }
}

#[tokio::test]
async fn stops_when_the_last_clone_is_gone() {
    let idp = IdentityProvider::new().serve().await;
    let (clone, uri) = (idp.clone(), idp.jwks_uri());
    drop(idp);
    assert_eq!(get(&uri).await.status(), 200);
    drop(clone);
    let authority = uri.strip_prefix("http://").unwrap();
    let authority = authority.strip_suffix("/jwks").unwrap().to_owned();
    while tokio::net::TcpStream::connect(&*authority).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
