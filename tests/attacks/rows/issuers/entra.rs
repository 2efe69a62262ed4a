//! What a tenant of Entra ID signs, shown as an access token.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::Token;
use serde_json::Value;

use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const CLIENT: &str = "75dbe77f-10a3-4e59-85fd-8c127544f17c";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:entra", kinds).await;
    harness.row("own:entra tenants", tenants).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer(&name(TENANT));
    let keys = settings.idp.jwks().to_string();
    settings.jwt = Jwt::new(Issuer::entra(TENANT).with_static_keys(keys));
    settings.build()
}

fn name(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// As a login of a person gives it.
fn access_token(guard: &Guard) -> Token {
    guard
        .token()
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .without_claim("scope")
        .without_claim("jti")
        .with_claim("ver", "2.0")
        .with_claim("tid", TENANT)
        .with_claim("azp", CLIENT)
        .with_claim("oid", "690222be-ff1a-4d56-abd1-7e4f7d38e474")
        .with_claim("scp", "notes.read")
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = access_token(&guard);
    let app = good
        .clone()
        .without_claim("scp")
        .with_claim("roles", ["Notes.Read"]);
    for (name, token) in [("a user", good.clone()), ("an application", app.clone())] {
        let request = guard.bearer(&token.mint());
        harness.control(name, &guard, request).await;
    }
    let kind = Expected::invalid_token(&["jwt_entra_kind"]);
    let tenant = Expected::invalid_token(&["jwt_entra_tenant"]);
    let permission = Expected::invalid_token(&["jwt_entra_permission"]);
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    let attacks = [
        // Where server and client are one registration, its audience is ours.
        (
            "an ID token",
            app.clone()
                .without_claim("azp")
                .with_claim("preferred_username", "alice@contoso.example"),
            &kind,
        ),
        (
            "an ID token with a nonce",
            good.clone().with_claim("nonce", "n"),
            &kind,
        ),
        ("of version 1", good.clone().with_claim("ver", "1.0"), &kind),
        (
            "of another tenant, by its own name",
            good.clone()
                .with_claim("iss", name(OTHER))
                .with_claim("tid", OTHER),
            &unknown,
        ),
        (
            "of another tenant, under our name",
            good.clone().with_claim("tid", OTHER),
            &tenant,
        ),
        ("of no tenant", good.clone().without_claim("tid"), &tenant),
        (
            "of our tenant in capitals",
            good.clone().with_claim("tid", TENANT.to_uppercase()),
            &tenant,
        ),
        (
            "of any tenant",
            good.clone().with_claim("iss", name("{tenantid}")),
            &unknown,
        ),
        (
            "an application that nobody gave anything",
            good.clone().without_claim("scp"),
            &permission,
        ),
        (
            "an application with no role",
            app.clone().with_claim("roles", Vec::<String>::new()),
            &permission,
        ),
        (
            "for a client",
            good.clone().with_claim("aud", CLIENT),
            &Expected::invalid_token(&["jwt_audience"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer(&token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
    named_clients(harness).await;
}

/// Two tenants of many, and the key set of all.
async fn tenants(harness: &mut Harness) {
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (signs_for, is_good) in [
        (Some("{tenantid}"), true),
        (Some(TENANT), true),
        (Some(personal), false),
        (None, false),
    ] {
        let mut settings = Settings::fixed();
        settings.idp = settings.idp.with_issuer(&name(TENANT));
        let mut keys = settings.idp.jwks();
        let list = keys.get_mut("keys").and_then(Value::as_array_mut);
        for key in list.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(tenant) = signs_for {
                key.insert("issuer".to_owned(), name(tenant).into());
            }
        }
        let issuer = Issuer::entra_tenants([OTHER, TENANT]).with_static_keys(keys.to_string());
        settings.jwt = Jwt::new(issuer);
        let guard = settings.build();
        let token = |tenant: &str| {
            access_token(&guard)
                .with_claim("iss", name(tenant))
                .with_claim("tid", tenant)
        };
        if !is_good {
            let expected = Expected::invalid_token(&["jwt_key_issuer"]);
            let request = guard.bearer(&token(TENANT).mint());
            harness
                .attack("signed for others", &guard, request, &expected)
                .await;
            continue;
        }
        let request = guard.bearer(&token(TENANT).mint());
        harness.control("a tenant", &guard, request).await;
        let unknown = Expected::invalid_token(&["credential_unknown"]);
        let tenant = Expected::invalid_token(&["jwt_entra_tenant"]);
        let attacks = [
            (
                "of a third tenant",
                token("5a2f5c1e-6a3c-4b59-9e57-1f7a2c1d8e10"),
                &unknown,
            ),
            ("of personal accounts", token(personal), &unknown),
            ("of any tenant", token("{tenantid}"), &unknown),
            ("of all tenants", token("common"), &unknown),
            (
                "of one under the name of the other",
                token(TENANT).with_claim("tid", OTHER),
                &tenant,
            ),
            (
                "of a third under the name of one",
                token(TENANT).with_claim("tid", "5a2f5c1e-6a3c-4b59-9e57-1f7a2c1d8e10"),
                &tenant,
            ),
        ];
        for (name, token, expected) in attacks {
            let request = guard.bearer(&token.mint());
            harness.attack(name, &guard, request, expected).await;
        }
    }
}

/// Where clients are named, they need no role, and no role makes up for the name.
async fn named_clients(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer(&name(TENANT));
    let keys = settings.idp.jwks().to_string();
    let issuer = Issuer::entra(TENANT)
        .with_static_keys(keys)
        .with_clients([CLIENT]);
    settings.jwt = Jwt::new(issuer).with_audience(RESOURCE);
    let guard = settings.build();
    let app = access_token(&guard).without_claim("scp");
    harness
        .control("a client by name", &guard, guard.bearer(&app.mint()))
        .await;
    let other = app
        .with_claim("azp", OTHER)
        .with_claim("appid", CLIENT)
        .with_claim("client_id", CLIENT)
        .with_claim("roles", ["Notes.Read"]);
    let expected = Expected::invalid_token(&["jwt_client"]);
    harness
        .attack(
            "another client",
            &guard,
            guard.bearer(&other.mint()),
            &expected,
        )
        .await;
}
