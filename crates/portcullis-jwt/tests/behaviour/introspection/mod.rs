//! Opaque tokens: what is asked, what is made of the answer, and what of none.

mod answers;
mod configuration;
mod questions;
mod signed;
mod watched;

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method, Response};
use portcullis_core::{Clock as _, Secret, Site};
use portcullis_jwt::{
    HttpClient, HttpError, HttpRequest,
    introspection::{ClientCredentials, Introspection, IntrospectionAuthenticator},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{AUDIENCE, Answer, ISSUER, NOW, clock::ManualClock};

pub(crate) const ENDPOINT: &str = "https://idp.example/introspect";
pub(crate) const TOKEN: &str = "an.opaque-token";
pub(crate) const SIGNED: &str = "application/token-introspection+jwt";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: Vec<(String, String)>,
}

type Respond = dyn Fn(&Asked) -> Result<Response<Vec<u8>>, HttpError> + Send + Sync;

/// The issuer: it answers as it is told, and keeps what was asked.
#[derive(Clone)]
pub(crate) struct Desk {
    respond: Arc<Mutex<Arc<Respond>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_open: watch::Sender<bool>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self {
            respond: Arc::new(Mutex::new(Arc::new(|_| Err(HttpError::new("offline"))))),
            asked: Arc::default(),
            is_open: watch::Sender::new(true),
        };
        desk.say(&active());
        desk
    }

    pub(crate) fn respond(
        &self,
        respond: impl Fn(&Asked) -> Result<Response<Vec<u8>>, HttpError> + Send + Sync + 'static,
    ) {
        *self.respond.lock().unwrap() = Arc::new(respond);
    }

    /// Answers every question with this JSON.
    pub(crate) fn say(&self, answer: &Value) {
        self.say_text("application/json", &answer.to_string());
    }

    pub(crate) fn say_text(&self, media_type: &'static str, text: &str) {
        let text = text.to_owned();
        self.respond(move |_| Ok(page(200, media_type, &text)));
    }

    /// From now on, answers wait until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub(crate) fn page(status: u16, media_type: &str, body: &str) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header("content-type", media_type)
        .body(body.as_bytes().to_vec())
        .unwrap()
}

impl HttpClient for Desk {
    async fn send(&self, request: &HttpRequest) -> Result<Response<Vec<u8>>, HttpError> {
        let form = url::form_urlencoded::parse(request.body()).into_owned();
        let asked = Asked {
            method: request.method().clone(),
            url: request.url().to_owned(),
            headers: request.headers().clone(),
            form: form.collect(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let mut is_open = self.is_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
        let respond = Arc::clone(&*self.respond.lock().unwrap());
        respond(&asked)
    }
}

/// An answer about a good token.
pub(crate) fn active() -> Value {
    json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE,
        "sub": "alice", "client_id": "app", "scope": "notes.read notes.write",
        "iat": NOW - 10, "exp": NOW + 300, "jti": "t1",
    })
}

pub(crate) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

pub(crate) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// An authenticator, and the world around it.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) desk: Desk,
    pub(crate) auth: IntrospectionAuthenticator,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|introspection| introspection)
    }

    pub(crate) fn with(change: impl FnOnce(Introspection) -> Introspection) -> Self {
        Self::of(change(introspection()))
    }

    pub(crate) fn of(introspection: Introspection) -> Self {
        let (clock, desk) = (ManualClock::new(), Desk::new());
        let site = Site::new(Arc::new(clock.clone()));
        let auth = introspection.with_http_client(desk.clone()).build(&site);
        let auth = auth.unwrap_or_else(|errors| panic!("{errors}"));
        Self { clock, desk, auth }
    }

    /// One that has to find the endpoint.
    pub(crate) fn discovering() -> Self {
        Self::of(Introspection::new(ISSUER, credentials()).with_audience(AUDIENCE))
    }

    pub(crate) async fn answer(&self, token: &str) -> Answer {
        crate::support::answer(&self.auth, token, self.clock.now()).await
    }
}

pub(crate) fn credentials() -> ClientCredentials {
    ClientCredentials::client_secret_basic("notes-agent", Secret::from("hush"))
}

pub(crate) fn introspection() -> Introspection {
    Introspection::new(ISSUER, credentials())
        .with_endpoint(ENDPOINT)
        .with_audience(AUDIENCE)
}
