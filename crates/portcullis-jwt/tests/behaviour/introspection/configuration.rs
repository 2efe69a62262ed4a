//! Settings that cannot work.

use std::{sync::Arc, time::Duration};

use portcullis_core::{ConfigError, Secret, Site};
use portcullis_jwt::introspection::{ClientCredentials, Introspection};

use super::{Desk, credentials, introspection};
use crate::support::{AUDIENCE, ISSUER, clock::ManualClock};

/// The settings that are complained of.
fn complaints(introspection: Introspection) -> Vec<String> {
    let site = Site::new(Arc::new(ManualClock::new()));
    let errors = introspection.build(&site).unwrap_err();
    let settings = errors.iter().map(ConfigError::setting);
    settings.map(str::to_owned).collect()
}

#[test]
fn each_mistake_is_named() {
    let of = |issuer: &str| Introspection::new(issuer, credentials()).with_audience(AUDIENCE);
    for (introspection, setting) in [
        (of("http://idp.example"), "Introspection::new"),
        (of("idp.example"), "Introspection::new"),
        (of("https://idp.example?x"), "Introspection::new"),
        (of("https://127.0.0.1"), "Introspection::new"),
        (
            introspection().with_endpoint("http://idp.example/i"),
            "with_endpoint",
        ),
        (
            introspection().with_endpoint("https://169.254.169.254/"),
            "with_endpoint",
        ),
        (introspection().with_prefix(""), "with_prefix"),
        (introspection().with_audience(""), "with_audience"),
        (Introspection::new(ISSUER, credentials()), "with_audience"),
        (
            introspection().with_clients(Vec::<String>::new()),
            "with_clients",
        ),
        (introspection().with_clients([""]), "with_clients"),
        (
            introspection().with_leeway(Duration::from_secs(61)),
            "with_leeway",
        ),
        (
            introspection().with_max_token_age(Duration::from_secs(9)),
            "with_max_token_age",
        ),
        (
            introspection().with_cache_for(Duration::ZERO),
            "with_cache_for",
        ),
        (
            introspection().with_cache_for(Duration::from_secs(301)),
            "with_cache_for",
        ),
        (introspection().with_timeout(Duration::ZERO), "with_timeout"),
        (
            introspection().with_timeout(Duration::from_secs(61)),
            "with_timeout",
        ),
        (
            introspection().with_jwks_url("https://idp.example/k"),
            "with_jwks_url",
        ),
        (introspection().with_algorithms([]), "with_algorithms"),
        (
            introspection()
                .with_signed_answers()
                .with_jwks_url("http://idp.example/k"),
            "with_jwks_url",
        ),
        (
            introspection().with_signed_answers().with_algorithms([]),
            "with_algorithms",
        ),
        (
            Introspection::new(ISSUER, ClientCredentials::tls_client_auth("id"))
                .with_audience(AUDIENCE),
            "with_http_client",
        ),
        (
            Introspection::new(
                ISSUER,
                ClientCredentials::client_secret_post("id", Secret::from("")),
            )
            .with_audience(AUDIENCE),
            "client_secret_post",
        ),
    ] {
        assert_eq!(complaints(introspection), [setting]);
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let found = complaints(
        Introspection::new("idp", credentials())
            .with_endpoint("here")
            .with_prefix("")
            .with_timeout(Duration::ZERO),
    );
    let expected = [
        "with_audience",
        "Introspection::new",
        "with_endpoint",
        "with_timeout",
        "with_prefix",
    ];
    assert_eq!(found, expected);
}

#[test]
fn debug_and_errors_show_no_secret() {
    let site = Site::new(Arc::new(ManualClock::new()));
    let credentials =
        ClientCredentials::client_secret_post("notes-agent", Secret::from("canary-secret"));
    let it = Introspection::new(ISSUER, credentials)
        .with_endpoint("https://canary:canary@idp.example/?canary#canary")
        .with_http_client(Desk::new());
    let mut text = format!("{it:?}");
    text += &it.build(&site).unwrap_err().to_string();
    assert!(!text.contains("canary"), "{text}");
}
