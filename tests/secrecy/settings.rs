//! Settings that cannot work, and have a secret in them.

use portcullis::{
    Secret, Site, SystemClock,
    api_keys::KeyRing,
    audit::log::Head,
    authn::AuthnLayer,
    jwt::{Algorithm, Issuer, Jwt},
    perimeter::PerimeterLayer,
    session::{SessionRecord, Sessions},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{canaries::Canaries, fixtures::stack_builder, table_auth::TableAuth};

use crate::{show, told};

pub(crate) fn play(canaries: &mut Canaries) {
    for shape in [
        "https://alice:{}@agent.example/",
        "https://alice:{}@agent .example/",
        "https://agent.example/?access_token={}",
        "https://agent.example/#{}",
        "alice:{}@agent.example",
        "alice:{}@10.0.0.0/8",
        "ftp://alice:{}@agent.example/",
    ] {
        let text = shape.replace("{}", &canaries.plant(&format!("the setting `{shape}`")));
        addresses(canaries, &text);
        issuers(canaries, &text);
    }
    let short = Secret::from(&canaries.plant("a key that is too short")[..20]);
    let ring = KeyRing::new("demo", &short);
    show(canaries, &ring);
    let keys = portcullis::api_keys::ApiKeys::new(ring);
    let stack = stack_builder(&RecordingAudit::new()).add_authenticator(keys);
    told(canaries, &stack.build().unwrap_err());
    let prefix = canaries.plant("a prefix of keys that is a key");
    let pepper = Secret::from(canaries.plant("the key beside it"));
    let keys = portcullis::api_keys::ApiKeys::new(KeyRing::new(&prefix, &pepper));
    let stack = stack_builder(&RecordingAudit::new()).add_authenticator(keys);
    told(canaries, &stack.build().unwrap_err());

    let text = canaries.plant("a text that is none of ours");
    told(canaries, &text.parse::<Head>().unwrap_err());
    told(
        canaries,
        &SessionRecord::from_bytes(text.as_bytes()).unwrap_err(),
    );
    told(
        canaries,
        &Sessions::from_bytes(text.as_bytes()).unwrap_err(),
    );
}

/// Where this server is, and who may call it.
fn addresses(canaries: &mut Canaries, text: &str) {
    let stack = stack_builder(&RecordingAudit::new()).with_resource(text);
    show(canaries, &stack);
    told(canaries, &stack.build().unwrap_err());
    let perimeter = PerimeterLayer::builder()
        .with_resource(text)
        .add_allowed_host(text)
        .add_allowed_origin(text)
        .add_trusted_proxy(text);
    show(canaries, &perimeter);
    told(canaries, &perimeter.build().unwrap_err());
    let authn = AuthnLayer::builder()
        .with_resource(text)
        .add_authenticator(TableAuth::new());
    show(canaries, &authn);
    told(canaries, &authn.build().unwrap_err());
}

/// Whose tokens are taken.
fn issuers(canaries: &mut Canaries, text: &str) {
    let empty = r#"{"keys": []}"#;
    for issuer in [
        Issuer::new(text),
        Issuer::new(text).with_algorithms([]),
        Issuer::new(text).with_algorithms([Algorithm::Es256, Algorithm::Es256]),
        Issuer::new(text).with_static_keys(empty),
        Issuer::new(text)
            .with_static_keys(empty)
            .with_algorithms([]),
        Issuer::new("https://idp.example")
            .with_jwks_url(text)
            .with_algorithms([]),
    ] {
        let jwt = Jwt::new(issuer.clone())
            .add_issuer(issuer)
            .with_audience(text);
        show(canaries, &jwt);
        let site = Site::new(std::sync::Arc::new(SystemClock::new()));
        told(canaries, &jwt.build(&site).unwrap_err());
    }
}
