//! Settings that cannot work are named, all at once, when the authenticator is built.

use std::time::Duration;

use portcullis_core::{Authenticator as _, IntoAuthenticator as _};
use portcullis_jwt::{Algorithm, Issuer, Jwt};

use crate::support::{
    AUDIENCE, ISSUER,
    clock::ManualClock,
    idp::{Network, site},
    signer::{Signer, jwks},
};

fn problems(jwt: Jwt) -> Vec<String> {
    let jwt = jwt.with_http_client(Network::new());
    match jwt.build(&site(&ManualClock::new())) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn of_issuer(issuer: Issuer) -> Vec<String> {
    problems(Jwt::new(issuer).with_audience(AUDIENCE))
}

#[test]
fn the_least_that_is_needed() {
    assert!(problems(Jwt::issuer(ISSUER).with_audience(AUDIENCE)).is_empty());
    let site = site(&ManualClock::new()).with_resource(AUDIENCE);
    let jwt = Jwt::issuer(ISSUER).with_http_client(Network::new());
    let auth = jwt.into_authenticator(&site).unwrap();
    let described = auth.describe();
    assert_eq!(described.scheme(), Some("Bearer"));
    assert_eq!(
        described.authorization_servers().collect::<Vec<_>>(),
        [ISSUER]
    );
    let found = problems(Jwt::issuer(ISSUER));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("`with_audience`: is not set"),
        "{found:?}"
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = problems(
        Jwt::new(
            Issuer::new("http://idp.example")
                .with_algorithms([])
                .with_max_stale(Duration::from_hours(25)),
        )
        .add_issuer(Issuer::new("http://idp.example"))
        .with_audience("")
        .with_leeway(Duration::from_secs(61))
        .with_max_lifetime(Duration::ZERO),
    );
    let settings: Vec<_> = found
        .iter()
        .map(|problem| problem.split_once("`: ").unwrap().0)
        .collect();
    assert_eq!(
        settings,
        [
            "`with_audience",
            "`with_leeway",
            "`with_max_lifetime",
            "`add_issuer",
            "`Issuer::new",
            "`with_max_stale",
            "`with_algorithms",
            "`Issuer::new",
        ]
    );
}

#[test]
fn an_issuer_is_a_public_https_url() {
    for name in [
        "",
        "idp.example",
        "http://idp.example",
        "https://idp.example?tenant=1",
        "https://idp.example#x",
        "https://user@idp.example",
        "https://127.0.0.1",
        "https://localhost:8443",
    ] {
        assert_eq!(of_issuer(Issuer::new(name)).len(), 1, "{name}");
    }
    for name in [
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "https://10.0.0.1",
    ] {
        assert!(of_issuer(Issuer::new(name).dangerously_allow_local_network()).is_empty());
    }
    let public_http = Issuer::new("http://93.184.215.14").dangerously_allow_local_network();
    assert_eq!(of_issuer(public_http).len(), 1);
    assert_eq!(
        of_issuer(Issuer::new(ISSUER).with_jwks_url("http://idp.example/k")).len(),
        1
    );
}

#[test]
fn an_issuer_with_a_password_is_refused_wherever_its_keys_are_and_shown_nowhere() {
    let keys = jwks([&Signer::es256("a")]);
    for name in ["https://u:canary@idp.example", "https://canary@idp.example"] {
        for issuer in [
            Issuer::new(name),
            Issuer::new(name).with_static_keys(keys.clone()),
            Issuer::new(name).with_static_keys("{}"),
            Issuer::new(name).with_algorithms([]),
            Issuer::new(name).with_jwks_url("https://idp.example/keys"),
        ] {
            let shown = format!("{issuer:?}");
            let jwt = Jwt::new(issuer.clone()).add_issuer(issuer);
            let found = problems(jwt.with_audience(name));
            let refused = found.iter().filter(|one| one.starts_with("`Issuer::new`"));
            assert_eq!(refused.count(), 2, "{found:?}");
            assert!(!found.join(" ").contains("canary"), "{found:?}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}

#[test]
fn a_list_of_algorithms_is_of_one_family() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
    let with =
        |list: &[Algorithm]| of_issuer(Issuer::new(ISSUER).with_algorithms(list.iter().copied()));
    for good in [&[Es256][..], &[Es256, Es384], &[EdDsa], &[Rs256, Ps256]] {
        assert!(with(good).is_empty(), "{good:?}");
    }
    for (bad, part) in [
        (&[][..], "is empty"),
        (&[Es256, Es256], "names ES256 twice"),
        (&[Es256, Rs256], "mixes key families"),
        (&[EdDsa, Es256], "mixes key families"),
    ] {
        let found = with(bad);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(part), "{found:?}");
    }
}

#[test]
fn a_list_of_clients_names_some() {
    let with = |clients: &[&str]| of_issuer(Issuer::new(ISSUER).with_clients(clients.to_vec()));
    assert!(with(&["app", "https://app.example/client"]).is_empty());
    for bad in [&[][..], &[""], &["app", ""]] {
        let found = with(bad);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("`with_clients`"), "{found:?}");
    }
}

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

#[test]
fn tenants_are_named_once() {
    let tenants = |count: usize| (0..count).map(|n| format!("8eaef023-2b34-4da1-9baa-{n:012x}"));
    assert!(of_issuer(Issuer::entra_tenants(tenants(100))).is_empty());
    let found = of_issuer(Issuer::entra_tenants(tenants(101)));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("more than 100"), "{found:?}");
    let twice = Jwt::new(Issuer::entra_tenants([TENANT, TENANT])).with_audience(AUDIENCE);
    assert!(problems(twice)[0].starts_with("`add_issuer`"));
    let twice = Jwt::new(Issuer::entra(TENANT)).add_issuer(Issuer::entra_tenants([TENANT]));
    assert!(problems(twice.with_audience(AUDIENCE))[0].starts_with("`add_issuer`"));
}

#[tokio::test]
async fn tenants_share_one_retrieval() {
    let network = Network::new();
    let url = "https://login.microsoftonline.com/common/discovery/v2.0/keys";
    network.put(url, jwks([&Signer::es256("a")]));
    let other = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let auth = Jwt::new(Issuer::entra_tenants([TENANT, other]))
        .with_audience(AUDIENCE)
        .with_http_client(network.clone())
        .build(&site(&ManualClock::new()))
        .unwrap();
    auth.ready().await.unwrap();
    assert_eq!(network.requests(), [url]);
    assert_eq!(auth.stats().key_retrievals(), 1);
    auth.shutdown().await;
}

#[test]
fn a_provider_is_named_as_its_page_says_and_knows_its_tokens() {
    let realm = || Issuer::keycloak("https://id.example/realms/notes");
    assert!(of_issuer(realm().with_roles_as_scopes("role:")).is_empty());
    for (issuer, setting) in [
        (Issuer::keycloak("https://id.example"), "Issuer::keycloak"),
        (Issuer::auth0("https://acme.eu.auth0.com"), "Issuer::auth0"),
        (Issuer::cognito("eu-central-1", ["c"]), "Issuer::cognito"),
        (
            Issuer::cognito("eu-central-1_a1B2c3D4e", [""; 0]),
            "with_clients",
        ),
        (Issuer::okta("acme.okta.com", ""), "Issuer::okta"),
        (Issuer::entra("common"), "Issuer::entra"),
        (Issuer::entra_tenants([""; 0]), "Issuer::entra_tenants"),
        (
            Issuer::entra_tenants([TENANT, "common"]),
            "Issuer::entra_tenants",
        ),
        (Issuer::entra(""), "Issuer::entra"),
        (Issuer::entra_v1("contoso.example"), "Issuer::entra_v1"),
        (
            Issuer::keycloak("https://id.example/realms/notes/"),
            "Issuer::keycloak",
        ),
        (
            Issuer::keycloak("http://id.example/realms/notes"),
            "Issuer::keycloak",
        ),
        (realm().with_legacy_typ(), "with_legacy_typ"),
        (realm().with_roles_as_scopes(""), "with_roles_as_scopes"),
        (
            realm().with_roles_as_scopes("a role "),
            "with_roles_as_scopes",
        ),
        (
            Issuer::new(ISSUER).with_roles_as_scopes("role:"),
            "with_roles_as_scopes",
        ),
    ] {
        let found = of_issuer(issuer);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("`{setting}`")), "{found:?}");
    }
}

#[test]
fn static_keys_have_to_be_usable() {
    let good = jwks([&Signer::eddsa("a")]);
    let with = |jwks: &str| of_issuer(Issuer::new(ISSUER).with_static_keys(jwks));
    assert!(with(&good).is_empty());
    for bad in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
    ] {
        let found = with(bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("`with_static_keys`"), "{found:?}");
    }
}

#[test]
fn times_stay_within_their_bounds() {
    let second = Duration::from_secs(1);
    for issuer in [
        Issuer::new(ISSUER).with_max_key_age(59 * second),
        Issuer::new(ISSUER).with_max_key_age(86_401 * second),
        Issuer::new(ISSUER).with_max_stale(86_401 * second),
        Issuer::new(ISSUER).with_retrieval_timeout(Duration::ZERO),
        Issuer::new(ISSUER).with_retrieval_timeout(61 * second),
    ] {
        assert_eq!(of_issuer(issuer).len(), 1);
    }
    let jwt = Jwt::issuer(ISSUER).with_audience(AUDIENCE);
    assert!(problems(jwt.with_leeway(60 * second)).is_empty());
}

#[cfg(not(feature = "reqwest"))]
#[test]
fn without_the_built_in_client_another_is_needed() {
    let build = |issuer| {
        Jwt::new(issuer)
            .with_audience(AUDIENCE)
            .build(&site(&ManualClock::new()))
    };
    let errors = build(Issuer::new(ISSUER)).unwrap_err().to_string();
    assert!(
        errors.starts_with("`with_http_client`: is not set"),
        "{errors}"
    );
    let keys = jwks([&Signer::eddsa("a")]);
    assert!(build(Issuer::new(ISSUER).with_static_keys(keys)).is_ok());
}
