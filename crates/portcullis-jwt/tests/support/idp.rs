//! A client that answers from memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use http::{Response, StatusCode};
use portcullis_core::Site;
use portcullis_jwt::{HttpClient, HttpError, HttpRequest, Issuer, Jwt, JwtAuthenticator};
use tokio::sync::watch;

use super::{
    AUDIENCE, ISSUER,
    clock::ManualClock,
    signer::{Signer, jwks},
};

pub(crate) const KEYS_URL: &str = "https://idp.example/keys";

/// The network: what is where, and what was asked for.
#[derive(Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    is_open: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    requests: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) body: String,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            is_open: watch::Sender::new(true),
        }
    }

    pub(crate) fn put(&self, url: &str, body: impl Into<String>) {
        self.put_page(
            url,
            Page {
                status: StatusCode::OK,
                cache_control: Some("max-age=600"),
                body: body.into(),
            },
        );
    }

    pub(crate) fn put_page(&self, url: &str, page: Page) {
        self.state
            .lock()
            .unwrap()
            .pages
            .insert(url.to_owned(), page);
    }

    pub(crate) fn put_keys<'a>(&self, signers: impl IntoIterator<Item = &'a Signer>) {
        self.put(KEYS_URL, jwks(signers));
    }

    pub(crate) fn fail(&self, url: &str) {
        let page = Page {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            cache_control: None,
            body: String::new(),
        };
        self.put_page(url, page);
    }

    /// From now on, answers wait until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// What was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

impl HttpClient for Network {
    async fn send(&self, request: &HttpRequest) -> Result<Response<Vec<u8>>, HttpError> {
        let page = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request.url().to_owned());
            state.pages.get(request.url()).cloned()
        };
        let mut is_open = self.is_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
        let page = page.ok_or_else(|| HttpError::new("no such page"))?;
        let mut response = Response::builder().status(page.status);
        if let Some(value) = page.cache_control {
            response = response.header("cache-control", value);
        }
        Ok(response.body(page.body.into_bytes()).unwrap())
    }
}

/// An authenticator, and the world around it.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) network: Network,
    pub(crate) auth: JwtAuthenticator,
}

impl World {
    /// Keys at [`KEYS_URL`], found without discovery.
    pub(crate) fn new<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> Self {
        Self::with(Issuer::new(ISSUER).with_jwks_url(KEYS_URL), signers)
    }

    pub(crate) fn with<'a>(issuer: Issuer, signers: impl IntoIterator<Item = &'a Signer>) -> Self {
        let (clock, network) = (ManualClock::new(), Network::new());
        network.put_keys(signers);
        let auth = Jwt::new(issuer)
            .with_audience(AUDIENCE)
            .with_http_client(network.clone())
            .build(&site(&clock))
            .unwrap();
        Self {
            clock,
            network,
            auth,
        }
    }

    pub(crate) async fn answer(&self, token: &str) -> super::Answer {
        use portcullis_core::Clock as _;
        super::answer(&self.auth, token, self.clock.now()).await
    }
}

pub(crate) fn site(clock: &ManualClock) -> Site {
    Site::new(Arc::new(clock.clone()))
}

/// An authenticator with these keys, and no network.
pub(crate) fn fixed<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> JwtAuthenticator {
    fixed_with(Issuer::new(ISSUER), signers)
}

pub(crate) fn fixed_with<'a>(
    issuer: Issuer,
    signers: impl IntoIterator<Item = &'a Signer>,
) -> JwtAuthenticator {
    Jwt::new(issuer.with_static_keys(jwks(signers)))
        .with_audience(AUDIENCE)
        .build(&site(&ManualClock::new()))
        .unwrap()
}
