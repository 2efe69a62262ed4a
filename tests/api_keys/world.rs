//! A gate around a handler, for callers with keys of a store.

use bytes::Bytes;
use http::{Request, Response};
use portcullis::{
    Clock as _, Gate, GateHandle, Secret, Stack, Timestamp,
    api_keys::{ApiKeyStore, ApiKeys, Grant, IssuedKey, KeyRegistry},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock, http_probe::HandlerProbe};
use portcullis_tests::fixtures::{RESOURCE, request};
use tower::{Layer as _, ServiceExt as _};

pub(crate) struct World {
    pub(crate) keys: KeyRegistry,
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) handler: HandlerProbe,
    pub(crate) handle: GateHandle,
    gate: Gate,
}

impl World {
    pub(crate) fn new(store: impl ApiKeyStore) -> Self {
        Self::with(store, |keys| keys)
    }

    pub(crate) fn with(store: impl ApiKeyStore, change: impl FnOnce(ApiKeys) -> ApiKeys) -> Self {
        let keys = KeyRegistry::new("acme", &Secret::new([7; 32]), store);
        let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
        let (gate, handle) = Stack::builder()
            .with_resource(RESOURCE)
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .add_authenticator(change(ApiKeys::from_registry(keys.clone())))
            .build()
            .unwrap();
        Self {
            keys,
            clock,
            audit,
            handler: HandlerProbe::new(),
            handle,
            gate,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn issue(&self, grant: Grant) -> IssuedKey {
        self.keys.issue(grant, self.now()).await.unwrap()
    }

    /// A key of the same id with another secret, and a checksum that fits: that of a registry
    /// whose store has the same row.
    pub(crate) async fn with_another_secret(&self, issued: &IssuedKey) -> String {
        let elsewhere = portcullis::api_keys::KeyRing::new("acme", &Secret::new([7; 32]))
            .add_keys([issued.stored().clone()]);
        let other = elsewhere.rotate(issued.stored().id(), std::time::Duration::ZERO, self.now());
        other.unwrap().expose().to_owned()
    }

    pub(crate) fn request(&self, key: &str) -> Request<String> {
        let request = request().header("authorization", format!("Bearer {key}"));
        request.body(String::new()).unwrap()
    }

    /// Afterwards there are the records of this request alone.
    pub(crate) async fn ask(&self, key: &str) -> Response<Bytes> {
        drop(self.audit.take());
        let service = self.gate.layer(self.handler.clone());
        let response = service.oneshot(self.request(key)).await.unwrap();
        portcullis_tests::wire::read(response).await.unwrap()
    }

    pub(crate) async fn status(&self, key: &str) -> u16 {
        self.ask(key).await.status().as_u16()
    }
}
