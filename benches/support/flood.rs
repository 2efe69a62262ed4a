//! Tokens that name keys nobody has, in a flood, and good ones between them.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use http::{HeaderValue, Response, header, request::Parts};
use portcullis::{
    Authenticator as _, Check, Clock as _, RequestView, Site, SystemClock, Verdict,
    jwt::{HttpClient, HttpError, HttpRequest, Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::{clock::VirtualClock, identity_provider::SigningAlgorithm};

use crate::{
    RESOURCE,
    credentials::{Cache, Ring, Tokens},
    requests::{bearer, request},
    threads::twice_at_once,
};

/// How many keys are named that nobody has.
const FLOOD: usize = 100_000;
/// So many of these come for each round of good tokens.
const BETWEEN: usize = 100;
/// So many good tokens are timed at once.
const ROUND: u32 = 8;

/// What the flood has done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Flooded {
    /// How often keys were retrieved while it came.
    pub retrievals: usize,
    /// How long good tokens took, as a multiple of what they take with nobody else: the median of all
    /// rounds.
    pub slowdown: f64,
}

/// The issuer's key set, over a network that takes no time.
struct Keys {
    document: String,
    retrieved: Arc<AtomicUsize>,
}

impl HttpClient for Keys {
    async fn send(&self, _: &HttpRequest) -> Result<Response<Vec<u8>>, HttpError> {
        let _ = self.retrieved.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(self.document.clone().into_bytes()))
    }
}

/// Floods an authenticator whose cache is off or on, as the tokens are new to it or known.
///
/// # Panics
///
/// A good token is refused, or a bad one is not.
#[must_use]
pub fn flooded(tokens: &Tokens, is_known: bool) -> Flooded {
    let (quiet, _) = authenticator(tokens, is_known);
    let (flooded, retrieved) = authenticator(tokens, is_known);
    let good = match is_known {
        true => tokens.same(SigningAlgorithm::Es256),
        false => tokens.distinct(SigningAlgorithm::Es256),
    };
    let (mut to_quiet, mut to_flooded) = (good.clone(), good);
    let mut head = request(&bearer("-")).into_parts().0;
    let mut quiet_head = head.clone();
    // Nothing of them gets as far as a signature.
    let template = tokens.same(SigningAlgorithm::Es256).advance().clone();
    let template = template.to_str().expect("a token is printable");
    let before = retrieved.load(Ordering::Relaxed);
    let mut ratios = Vec::new();
    for round in 0..FLOOD / BETWEEN {
        for n in 0..BETWEEN {
            let bad = with_unknown_key(template, round * BETWEEN + n);
            assert!(matches!(ask(&flooded, &mut head, bad), Verdict::Reject(_)));
        }
        // What comes second finds more in the processor's caches.
        let is_first = round % 2 == 0;
        let mut alone = || time(&quiet, &mut quiet_head, &mut to_quiet).as_secs_f64();
        let earlier = is_first.then(&mut alone);
        let between = time(&flooded, &mut head, &mut to_flooded).as_secs_f64();
        ratios.push(between / earlier.unwrap_or_else(alone));
    }
    ratios.sort_by(f64::total_cmp);
    Flooded {
        retrievals: retrieved.load(Ordering::Relaxed) - before,
        slowdown: ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
    }
}

/// An authenticator that has retrieved its keys, so long ago that it may do so again.
fn authenticator(tokens: &Tokens, is_known: bool) -> (JwtAuthenticator, Arc<AtomicUsize>) {
    let retrieved = Arc::new(AtomicUsize::new(0));
    let keys = Keys {
        document: tokens.issuer().jwks().to_string(),
        retrieved: Arc::clone(&retrieved),
    };
    let issuer = Issuer::new(tokens.issuer().issuer()).with_jwks_url("https://idp.example/keys");
    let jwt = Jwt::new(issuer).with_http_client(keys);
    let jwt = if is_known {
        jwt
    } else {
        jwt.without_token_cache()
    };
    // It stands, so that the flood comes within one cool-down.
    let clock = VirtualClock::starting_at(SystemClock::new().now());
    let site = Site::new(Arc::new(clock.clone())).with_resource(RESOURCE);
    let authenticator = jwt.build(&site).expect("the settings work");
    let mut head = request(&bearer("-")).into_parts().0;
    let good = tokens.same(SigningAlgorithm::Es256).advance().clone();
    assert!(matches!(
        ask(&authenticator, &mut head, good),
        Verdict::Accept(_)
    ));
    clock.advance(Duration::from_secs(31));
    (authenticator, retrieved)
}

/// A token with this key id in its header, and a signature that it had with another.
fn with_unknown_key(token: &str, number: usize) -> HeaderValue {
    let header = format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"unknown-{number}"}}"#);
    let (_, rest) = token.split_once('.').expect("a token has dots");
    bearer(&format!("{}.{rest}", BASE64URL.encode(header)))
}

fn ask(authenticator: &JwtAuthenticator, head: &mut Parts, credential: HeaderValue) -> Verdict {
    let _ = head.headers.insert(header::AUTHORIZATION, credential);
    let view = RequestView::new(head, SystemClock::new().now());
    match authenticator.check(&view) {
        Check::Done(verdict) => verdict,
        // Keys are retrieved by a task of their own.
        Check::NeedsIo => tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("there is a runtime")
            .block_on(authenticator.verify(&view)),
    }
}

fn time(
    authenticator: &JwtAuthenticator,
    head: &mut Parts,
    credentials: &mut Ring<HeaderValue>,
) -> Duration {
    let clock = SystemClock::new();
    let start = clock.instant();
    for _ in 0..ROUND {
        let verdict = ask(authenticator, head, credentials.advance().clone());
        assert!(matches!(verdict, Verdict::Accept(_)));
    }
    clock.instant().duration_since(start)
}

/// How much more two threads check, of known tokens of their own, than one alone in the same time: what all
/// requests take in turn would show here.
#[must_use]
pub fn two_threads_over_one(tokens: &Tokens) -> f64 {
    const EACH: usize = 200_000;
    let authenticator = tokens.authenticator(Cache::Default);
    let known = [(); 2].map(|()| tokens.distinct(SigningAlgorithm::Es256));
    twice_at_once(|thread| {
        let mut credentials = known.get(thread).expect("there are two").clone();
        let mut head = request(&bearer("-")).into_parts().0;
        for _ in 0..EACH {
            let verdict = ask(&authenticator, &mut head, credentials.advance().clone());
            assert!(matches!(black_box(verdict), Verdict::Accept(_)));
        }
    })
}
