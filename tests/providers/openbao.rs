//! OpenBao as an issuer whose keys are rotated on demand.

use std::{net::SocketAddr, time::Duration};

use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::{audit::RecordingAudit, counterpart::RunningCounterpart};
use portcullis_tests::{
    oidc_provider::{algorithm_of, key_of},
    servers, wire,
};
use serde_json::{Value, json};

use crate::gate::{Guarded, RESOURCE};

const ROOT: &str = "root-token-of-a-test";
/// The path of the role that [`OpenBao::start`] makes.
const TOKEN: &str = "identity/oidc/token/notes";

/// An authority that runs, with one entity.
struct OpenBao {
    address: SocketAddr,
    /// What the entity presents to it.
    login: String,
    entity: String,
    _running: RunningCounterpart,
}

impl OpenBao {
    async fn start() -> Self {
        let running = servers::openbao(ROOT).start().await;
        let mut this = Self {
            address: SocketAddr::from(([127, 0, 0, 1], running.port())),
            login: ROOT.to_owned(),
            entity: String::new(),
            _running: running,
        };
        let template = r#"{"scope": "notes.read", "groups": {{identity.entity.groups.names}}}"#;
        let policy = format!("path \"{TOKEN}\" {{ capabilities = [\"read\"] }}");
        for (path, body) in [
            ("identity/oidc/config", json!({"issuer": this.origin()})),
            (
                "identity/oidc/key/notes",
                json!({"algorithm": "ES256", "allowed_client_ids": RESOURCE}),
            ),
            (
                "identity/oidc/role/notes",
                json!({"key": "notes", "client_id": RESOURCE, "ttl": "10m", "template": template}),
            ),
            ("sys/policies/acl/notes", json!({ "policy": policy })),
            ("sys/auth/userpass", json!({"type": "userpass"})),
            (
                "auth/userpass/users/agent",
                json!({"password": "a password of nobody", "token_policies": "notes"}),
            ),
        ] {
            this.send("POST", path, body).await;
        }
        let login = json!({"password": "a password of nobody"});
        let said = this.send("POST", "auth/userpass/login/agent", login).await;
        this.login = text(&said, "/auth/client_token");
        this.entity = text(&said, "/auth/entity_id");
        let named = json!({"name": "readers", "member_entity_ids": [this.entity]});
        this.as_root("identity/group", named).await;
        this
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn issuer(&self) -> String {
        format!("{}/v1/identity/oidc", self.origin())
    }

    /// An identity token of the entity.
    async fn token(&self) -> String {
        text(&self.send("GET", TOKEN, Value::Null).await, "/data/token")
    }

    /// A new key signs from now on; the old one is published for as long.
    async fn rotate(&self, published_for: &str) {
        let body = json!({ "verification_ttl": published_for });
        self.as_root("identity/oidc/key/notes/rotate", body).await;
    }

    async fn as_root(&self, path: &str, body: Value) {
        self.request("POST", path, ROOT, body).await;
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        self.request(method, path, &self.login, body).await
    }

    async fn request(&self, method: &str, path: &str, token: &str, body: Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header("host", self.address.to_string())
            .header("x-vault-token", token)
            .body(Full::from(body).boxed())
            .unwrap();
        let answer = wire::http1(self.address, request).await.unwrap();
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.status().is_success(), "{path}: {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }
}

fn text(answer: &Value, pointer: &str) -> String {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {pointer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_is_let_in() {
    let bao = OpenBao::start().await;
    let audit = RecordingAudit::new();
    let issuer = Issuer::openbao(bao.issuer()).with_roles_as_scopes("group:");
    let guarded = Guarded::of(issuer, &audit).await;
    let token = bao.token().await;
    assert_eq!(algorithm_of(&token), "ES256");
    assert_eq!(guarded.call(Some(&token)).await, (200, bao.entity.clone()));
    let evidence = audit.assert_admitted(&bao.entity).principal.unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
    assert_eq!(evidence.issuer(), bao.issuer());
    let scopes: Vec<_> = evidence.scopes().iter().collect();
    assert_eq!(scopes, ["notes.read", "group:readers"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_it_is_nothing_to_whoever_asks_for_access_tokens() {
    let bao = OpenBao::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::of(Issuer::new(bao.issuer()), &audit).await;
    assert_eq!(guarded.call(Some(&bao.token().await)).await.0, 401);
    audit.assert_refused("jwt_typ", 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_withdrawn_is_refused_in_time() {
    let bao = OpenBao::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::of(Issuer::openbao(bao.issuer()), &audit).await;
    let old = bao.token().await;
    assert_eq!(guarded.call(Some(&old)).await.0, 200);

    // The next key is published beforehand, so nothing has to be retrieved for it.
    bao.rotate("10m").await;
    let new = bao.token().await;
    assert_ne!(key_of(&old), key_of(&new));
    guarded.clock.advance(Duration::from_secs(31));
    assert_eq!(guarded.call(Some(&new)).await.0, 200);
    assert_eq!(guarded.call(Some(&old)).await.0, 200);
    let retrievals = guarded.key_retrievals();

    // That key signs no more, and is published no more.
    bao.rotate("0s").await;
    guarded.clock.advance(Duration::from_secs(330));
    guarded.call(Some(&new)).await;
    while guarded.key_retrievals() == retrievals {
        tokio::task::yield_now().await;
    }
    let newest = bao.token().await;
    assert_eq!(guarded.call(Some(&newest)).await.0, 200);
    drop(audit.take());
    assert_eq!(guarded.call(Some(&new)).await.0, 401);
    audit.assert_refused("jwt_kid_unknown", 401);
}
