//! Answers that the issuer has signed.

use http::HeaderValue;
use portcullis_jwt::introspection::Introspection;
use serde_json::{Value, json};

use super::{Desk, SIGNED, TOKEN, World, active, page, with, without};
use crate::support::{
    Answer, ISSUER, NOW,
    signer::{Signer, jwks},
};

const KEYS_URL: &str = "https://idp.example/keys";

fn signed(it: Introspection) -> Introspection {
    it.with_signed_answers().with_jwks_url(KEYS_URL)
}

fn header() -> Value {
    json!({"typ": "token-introspection+jwt", "alg": "ES256", "kid": "k"})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "notes-agent", "iat": NOW, "token_introspection": active()})
}

/// Publishes the keys of a signer, and answers with this text.
fn say(desk: &Desk, signer: &Signer, media_type: &'static str, text: String) {
    let keys = jwks([signer]);
    desk.respond(move |asked| {
        Ok(match asked.url.as_str() {
            KEYS_URL => page(200, "application/json", &keys),
            _ => page(200, media_type, &text),
        })
    });
}

#[tokio::test]
async fn a_signed_answer_is_taken() {
    let signer = Signer::es256("k");
    let server = with(claims(), "aud", "https://notes.example");
    let both = with(claims(), "aud", json!(["x", "notes-agent"]));
    let old = with(claims(), "iat", NOW - 89);
    let of_application = with(header(), "typ", "application/token-introspection+jwt");
    for (header, claims) in [
        (header(), claims()),
        (header(), server),
        (header(), both),
        (header(), old),
        (of_application, claims()),
    ] {
        let world = World::with(signed);
        let text = signer.sign(&header, &claims);
        say(&world.desk, &signer, SIGNED, text);
        assert_eq!(world.answer(TOKEN).await, Answer::Accepted, "{claims}");
        let asked = world.desk.asked();
        let accept = HeaderValue::from_static(SIGNED);
        assert_eq!(asked[0].headers["accept"], accept);
    }
}

#[tokio::test]
async fn what_is_in_it_counts_as_without_a_signature() {
    let signer = Signer::es256("k");
    for (inner, reason) in [
        (json!({"active": false}), "introspection_inactive"),
        (with(active(), "aud", "elsewhere"), "jwt_audience"),
        (without(active(), "token_type"), "introspection_kind"),
    ] {
        let world = World::with(signed);
        let claims = with(claims(), "token_introspection", inner);
        say(
            &world.desk,
            &signer,
            SIGNED,
            signer.sign(&header(), &claims),
        );
        let answer = world.answer(TOKEN).await;
        let Answer::Rejected(found) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(found.as_str(), reason);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_issuers_is_none() {
    let signer = Signer::es256("k");
    let other = Signer::es256("k");
    let good = signer.sign(&header(), &claims());
    let text = |header: Value, claims: Value| signer.sign(&header, &claims);
    for (media_type, text, reason) in [
        (
            "application/json",
            active().to_string(),
            "introspection_answer",
        ),
        ("application/json", good.clone(), "introspection_answer"),
        (SIGNED, active().to_string(), "introspection_signature"),
        (SIGNED, format!("{good}A"), "introspection_signature"),
        (
            SIGNED,
            other.sign(&header(), &claims()),
            "introspection_signature",
        ),
        // An access token, and what else an issuer signs.
        (
            SIGNED,
            text(with(header(), "typ", "at+jwt"), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(with(header(), "typ", "JWT"), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(without(header(), "typ"), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(with(header(), "alg", "none"), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(with(header(), "alg", "HS256"), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(with(header(), "crit", json!(["x"])), claims()),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), with(claims(), "iss", "https://evil.example")),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), without(claims(), "iss")),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), with(claims(), "aud", "another-client")),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), without(claims(), "aud")),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), with(claims(), "iat", NOW - 90)),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), with(claims(), "iat", NOW + 31)),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), without(claims(), "iat")),
            "introspection_signature",
        ),
        (
            SIGNED,
            text(header(), without(claims(), "token_introspection")),
            "introspection_signature",
        ),
    ] {
        let world = World::with(signed);
        say(&world.desk, &signer, media_type, text.clone());
        let answer = world.answer(TOKEN).await;
        let Answer::Unavailable(found) = answer else {
            panic!("{answer:?} {text}");
        };
        assert_eq!(found.as_str(), reason, "{media_type} {text}");
    }
}

#[tokio::test]
async fn without_keys_there_is_no_answer() {
    let signer = Signer::es256("k");
    let world = World::with(signed);
    let text = signer.sign(&header(), &claims());
    world.desk.respond(move |asked| {
        Ok(match asked.url.as_str() {
            KEYS_URL => page(500, "text/html", ""),
            _ => page(200, SIGNED, &text),
        })
    });
    let answer = world.answer(TOKEN).await;
    let Answer::Unavailable(reason) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(reason.as_str(), "jwt_keys_unavailable");
}
