//! Cookies as a second way to a session.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Exchange, RequestBody, RequestView,
    Secret, Stack, Verdict,
    session::{
        CookieError, MemorySessions, Session, SessionBuilder, SessionCookie, SessionLayer,
        SessionValue, StoredData,
    },
};
use portcullis_testing::{audit::RecordingAudit, faulty_store::FaultyStore};
use portcullis_tests::{
    desk::{cookie_of, desk},
    fixtures::RESOURCE,
    kept_bytes::KeptBytes,
};
use tower::{Layer as _, ServiceExt as _};

use crate::people::World;

const SELF: (&str, &str) = ("sec-fetch-site", "same-origin");

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
    cookie: Option<String>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

fn world() -> World {
    with(|session| session)
}

fn with(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> World {
    World::with(|session| settings(session.with_cookie(SessionCookie::new("s"))))
}

fn kept(store: &KeptBytes) -> World {
    let store = store.clone();
    with(|session| session.with_store(store).with_key(Secret::new([7; 16])))
}

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "agent.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(String::new()).unwrap();
    let service = world.gate.layer(tower::service_fn(desk::<String>));
    let response = service.oneshot(request).await.unwrap();
    let (cookie, status) = (cookie_of(&response), response.status().as_u16());
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    portcullis_tests::patience::settle().await;
    Answer {
        status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        cookie,
    }
}

async fn login(world: &World, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    let answer = ask(world, "POST", "/login", &[("authorization", &bearer)]).await;
    assert_eq!((answer.status, &*answer.body), (200, "in"));
    answer.cookie.unwrap()
}

async fn read(world: &World, cookie: &str) -> (u16, String) {
    let answer = ask(world, "GET", "/notes", &[("cookie", cookie)]).await;
    (answer.status, answer.body)
}

async fn status(world: &World, cookie: &str) -> u16 {
    read(world, cookie).await.0
}

#[tokio::test]
async fn a_cookie_lets_in_by_itself_and_as_the_same() {
    let store = KeptBytes::default();
    for world in [
        world(),
        with(|session| session.with_store(FaultyStore::new(MemorySessions::default()))),
        kept(&store),
    ] {
        let bearer = "Bearer alice.user.0.-.1.read+write.app";
        let answer = ask(&world, "POST", "/login", &[("authorization", bearer)]).await;
        let cookie = answer.cookie.clone().unwrap();
        let (name, value) = cookie.split_once('=').unwrap();
        assert_eq!((name, value.len()), ("__Host-s", 86));
        assert_eq!(
            answer.header("set-cookie"),
            format!("{cookie}; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        let of_token = world.audit.take().pop().unwrap();

        let both = format!("a=b; {cookie}; c=d");
        let (status, body) = read(&world, &both).await;
        assert_eq!((status, &*body), (200, "alice read write a=b; c=d"));
        assert_eq!(read(&world, &cookie).await.1, "alice read write ");
        let records = world.audit.take();
        let of_cookie = records.first().unwrap();
        assert_eq!(of_cookie.authenticator, Some("session_cookie"));
        assert_eq!(of_cookie.session, of_token.session);
        let principal = |record: &portcullis_testing::audit::Recorded| {
            let evidence = record.principal.clone().unwrap();
            (
                evidence.client().map(str::to_owned),
                evidence.session_id().map(str::to_owned),
                evidence.auth_time(),
                evidence.revocation_keys(),
            )
        };
        assert_eq!(principal(of_cookie), principal(&of_token));
    }
}

#[tokio::test]
async fn no_cookie_is_needed_by_who_has_a_token_and_none_is_given_unasked() {
    let world = world();
    let bearer = ("authorization", "Bearer alice.user.0");
    let answer = ask(&world, "GET", "/notes", &[bearer]).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, ""));
    let without = World::new();
    let answer = ask(&without, "POST", "/login", &[bearer]).await;
    assert_eq!(answer.body, CookieError::NotSet.to_string());
    assert_eq!(answer.header("set-cookie"), "");
    // There, it is any cookie.
    let answer = ask(
        &without,
        "GET",
        "/notes",
        &[bearer, ("cookie", "__Host-s=v")],
    )
    .await;
    assert_eq!((answer.status, &*answer.body), (200, "alice  __Host-s=v"));
}

#[tokio::test]
async fn what_ends_a_session_ends_its_cookie() {
    // Whether the cookie is taken away, too.
    let assert_over = async |world: &World, cookie: &str, reason: &str, is_cleared: bool| {
        let _ = world.audit.take();
        let answer = ask(world, "GET", "/notes", &[("cookie", cookie)]).await;
        assert_eq!(answer.status, 401, "{reason}");
        let cleared = "__Host-s=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
        let expected = if is_cleared { cleared } else { "" };
        assert_eq!(answer.header("set-cookie"), expected, "{reason}");
        world.assert_refused(reason, 401);
        answer
    };
    for kind in ["user", "key", "client"] {
        let world = world();
        let cookie = login(&world, &format!("alice.{kind}.0")).await;
        world.advance(60);
        let answer = assert_over(&world, &cookie, "session_idle", true).await;
        let challenge = answer.header("www-authenticate");
        let wants_user = challenge.contains("insufficient_user_authentication");
        assert_eq!(wants_user, kind == "user", "{challenge}");

        let world = self::world();
        let cookie = login(&world, &format!("alice.{kind}.0")).await;
        for _ in 0..12 {
            world.advance(49);
            let _ = status(&world, &cookie).await;
        }
        world.advance(12);
        assert_over(&world, &cookie, "session_absolute", true).await;

        let world = self::world();
        let cookie = login(&world, &format!("alice.{kind}.0")).await;
        let ended = world.handle.end_sessions("https://idp.example", "alice");
        assert_eq!(ended.await.unwrap(), 1);
        assert_over(&world, &cookie, "session_revoked", true).await;
    }
    let world = world();
    let cookie = login(&world, "alice.user.0").await;
    world.advance(1);
    let revoked = portcullis::revocation::Revocation::subject("https://idp.example", "alice");
    world.handle.revoke(revoked).await.unwrap();
    assert_over(&world, &cookie, "credential_revoked", false).await;
}

#[tokio::test]
async fn logging_out_takes_the_cookie_and_what_the_site_has_kept() {
    for store in [true, false] {
        let world = match store {
            true => world(),
            false => with(|s| s.with_store(FaultyStore::new(MemorySessions::default()))),
        };
        let cookie = login(&world, "alice.user.0").await;
        let headers = [("cookie", &*cookie), SELF];
        let answer = ask(&world, "POST", "/logout", &headers).await;
        assert_eq!((answer.status, &*answer.body), (200, "out"));
        let cleared = "__Host-s=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
        assert_eq!(answer.header("set-cookie"), cleared);
        assert_eq!(answer.header("clear-site-data"), "\"cookies\", \"storage\"");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(status(&world, &cookie).await, 401);
        // Who has no cookie has nothing to be cleared.
        let bearer = ("authorization", "Bearer bob.user.0");
        let answer = ask(&world, "POST", "/logout", &[bearer]).await;
        assert_eq!((answer.status, answer.header("clear-site-data")), (200, ""));
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_new_id_replaces_the_old_one_after_a_grace() {
    let world = world();
    let first = login(&world, "alice.user.0").await;
    let answer = ask(&world, "POST", "/login", &[("cookie", &first), SELF]).await;
    let second = answer.cookie.unwrap();
    assert_ne!(first, second);
    for _ in 0..3 {
        assert_eq!(status(&world, &first).await, 200);
        assert_eq!(status(&world, &second).await, 200);
        world.advance(3);
    }
    // It replaces nothing, not even while it is good.
    let answer = ask(&world, "POST", "/login", &[("cookie", &first), SELF]).await;
    assert_eq!(answer.body, CookieError::Replaced.to_string());
    assert_eq!(answer.cookie, None);
    assert_eq!(status(&world, &second).await, 200);
    world.advance(1);
    let _ = world.audit.take();
    let answer = ask(&world, "GET", "/notes", &[("cookie", &first)]).await;
    assert_eq!(answer.status, 401);
    // Or it would take the new one away.
    assert_eq!(answer.header("set-cookie"), "");
    world.assert_refused("session_cookie_stale", 401);
    assert_eq!(status(&world, &second).await, 200);
}

#[tokio::test]
async fn a_later_authentication_makes_every_id_void() {
    let world = world();
    let old = login(&world, "alice.user.0").await;
    world.advance(5);
    let bearer = ("authorization", "Bearer alice.user.4");
    assert_eq!(ask(&world, "GET", "/notes", &[bearer]).await.status, 200);
    let _ = world.audit.take();
    assert_eq!(status(&world, &old).await, 401);
    world.assert_refused("session_cookie_stale", 401);
    let new = login(&world, "alice.user.4").await;
    assert_eq!(status(&world, &new).await, 200);
    // What was on its way is let in, as after any other change of the id.
    assert_eq!(status(&world, &old).await, 200);
    world.advance(10);
    assert_eq!(status(&world, &old).await, 401);
}

#[tokio::test]
async fn two_credentials_and_two_cookies_are_none() {
    let world = world();
    let cookie = login(&world, "alice.user.0").await;
    let bearer = ("authorization", "Bearer alice.user.0");
    let twice = format!("{cookie}; {cookie}");
    for (headers, reason) in [
        (
            vec![bearer, ("cookie", &*cookie)],
            "credentials_of_two_kinds",
        ),
        (vec![("cookie", &*twice)], "session_cookie_ambiguous"),
        (
            vec![("cookie", &*cookie), ("cookie", &*cookie)],
            "session_cookie_ambiguous",
        ),
        (
            vec![("cookie", &*cookie), ("cookie", "__host-S=x")],
            "session_cookie_ambiguous",
        ),
    ] {
        let _ = world.audit.take();
        let answer = ask(&world, "GET", "/notes", &headers).await;
        assert_eq!(answer.status, 400, "{reason}");
        world.assert_refused(reason, 400);
    }
    // Also where nobody has to be known.
    let answer = ask(&world, "GET", "/public", &[("cookie", "__Host-s=x")]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    world.assert_refused("session_cookie_unknown", 401);
    assert_eq!(ask(&world, "GET", "/public", &[]).await.status, 200);
}

#[tokio::test]
async fn what_may_change_something_has_to_come_from_a_page_of_ours() {
    let world = world();
    let cookie = login(&world, "alice.user.0").await;
    let origin = |value| ("origin", value);
    let own = origin("https://agent.example");
    let site = |value| ("sec-fetch-site", value);
    for (method, said, expected) in [
        ("GET", vec![site("cross-site")], 200),
        ("HEAD", vec![], 200),
        ("POST", vec![SELF], 200),
        ("POST", vec![site("none")], 200),
        ("POST", vec![own], 200),
        ("POST", vec![SELF, own], 200),
        ("POST", vec![], 403),
        ("DELETE", vec![site("cross-site")], 403),
        ("PUT", vec![site("same-site"), own], 403),
        ("POST", vec![site("cross-site"), own], 403),
        ("QUERY", vec![], 403),
    ] {
        let _ = world.audit.take();
        let mut headers = vec![("cookie", &*cookie)];
        headers.extend(&said);
        let answer = ask(&world, method, "/notes", &headers).await;
        assert_eq!(answer.status, expected, "{method} {said:?}");
        if expected == 403 {
            world.assert_refused("cross_site", 403);
        }
        // A token is sent by nobody but a program that has it.
        let mut headers = vec![("authorization", "Bearer alice.user.0")];
        headers.extend(&said);
        assert_eq!(ask(&world, method, "/notes", &headers).await.status, 200);
    }
    // And nobody is logged in by a page of somebody else.
    for (method, said, expected) in [
        ("POST", "cross-site", CookieError::OtherSite.to_string()),
        ("GET", "cross-site", "in".to_owned()),
        ("POST", "same-origin", "in".to_owned()),
    ] {
        let headers = [("authorization", "Bearer bob.user.0"), site(said)];
        let answer = ask(&world, method, "/login", &headers).await;
        assert_eq!(answer.body, expected);
        assert_eq!(answer.cookie.is_some(), expected == "in");
    }
}

/// Whether the handler keeps a value.
struct Flag;

impl SessionValue for Flag {
    const NAME: &'static str = "flag";

    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    fn from_bytes(_: &[u8]) -> Option<Self> {
        Some(Self)
    }
}

#[tokio::test]
async fn what_a_handler_keeps_and_the_cookie_leave_each_other_alone() {
    let world = world();
    let cookie = login(&world, "alice.user.0").await;
    let handler = tower::service_fn(async |request: Request<RequestBody<String>>| {
        let session = Exchange::of(request.extensions()).unwrap().session();
        let session = session.unwrap().clone();
        assert!(session.get::<Flag>().await.unwrap().is_none());
        session.put(&Flag).await.unwrap();
        session.issue_cookie().await.unwrap();
        assert!(session.get::<Flag>().await.unwrap().is_some());
        session.remove::<Flag>().await.unwrap();
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let request = Request::builder()
        .uri("/notes")
        .header("host", "agent.example")
        .header("cookie", &cookie);
    let request = request.body(String::new()).unwrap();
    let response = world.gate.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(status(&world, &cookie_of(&response).unwrap()).await, 200);
}

#[tokio::test]
async fn nothing_is_given_out_when_the_head_of_the_answer_is_gone() {
    let world = world();
    let kept = Arc::new(OnceLock::new());
    let keeping = Arc::clone(&kept);
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let session = Exchange::of(request.extensions()).unwrap().session();
        let _ = keeping.set(session.unwrap().clone());
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let request = crate::people::request("alice.user.0");
    let response = world.gate.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let session: &Session = kept.get().unwrap();
    let late = session.issue_cookie().await;
    assert!(matches!(late, Err(CookieError::TooLate)), "{late:?}");
}

#[tokio::test]
async fn what_is_kept_of_a_cookie_is_an_error_where_it_does_not_open() {
    let store = KeptBytes::default();
    let world = kept(&store);
    let cookie = login(&world, "alice.user.0").await;
    let (owner, _) = store.rows().pop().unwrap();
    let mut was = None;
    store.edit(owner, |sessions| {
        let record = sessions.records.last_mut().unwrap();
        was = record
            .data
            .replace(Arc::new(StoredData::Sealed(Box::new([1; 80]))));
    });
    let _ = world.audit.take();
    let answer = ask(&world, "GET", "/notes", &[("cookie", &cookie)]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.header("set-cookie"), "");
    world.assert_refused("session_data_unreadable", 503);
    store.edit(owner, |sessions| {
        sessions.records.last_mut().unwrap().data = was;
    });
    assert_eq!(status(&world, &cookie).await, 200);
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_neither_a_pass_nor_a_401() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = with(|session| session.with_store(store.clone()));
    let cookie = login(&world, "alice.user.0").await;
    store.set_failing(true);
    let _ = world.audit.take();
    assert_eq!(status(&world, &cookie).await, 503);
    world.assert_refused("session_store_unavailable", 503);
    store.set_failing(false);
    assert_eq!(status(&world, &cookie).await, 200);
}

/// Vouches for alice, anew with each request.
struct EachTime;

impl Authenticator for EachTime {
    fn describe(&self) -> Description {
        Description::bearer("each_time")
    }

    fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
        let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
        Check::Done(Verdict::accept(alice.asserted_per_request()))
    }
}

#[tokio::test]
async fn who_is_vouched_for_with_each_request_is_given_none() {
    let (gate, _handle) = Stack::builder()
        .with_resource(RESOURCE)
        .with_audit(RecordingAudit::new())
        .with_session(SessionLayer::builder().with_cookie(SessionCookie::new("s")))
        .add_authenticator(EachTime)
        .build()
        .unwrap();
    let request = crate::people::request_for("/login", "alice");
    let service = gate.layer(tower::service_fn(desk::<String>));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(cookie_of(&response), None);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, CookieError::Bound.to_string());
}

#[test]
fn settings_that_cannot_work_are_errors() {
    let cookie = || SessionLayer::builder().with_cookie(SessionCookie::new("s"));
    let loose = cookie().build().unwrap_err().to_string();
    assert!(
        loose.starts_with("`with_cookie`: is of use in a stack alone"),
        "{loose}"
    );
    let stack = |session| {
        let stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_session(session)
            .add_authenticator(crate::people::People);
        stack
            .build()
            .map(drop)
            .map_err(|problems| problems.to_string())
    };
    assert_eq!(stack(cookie()), Ok(()));
    let long = SessionCookie::new("s").with_grace(Duration::from_secs(61));
    let long = stack(cookie().with_cookie(long)).unwrap_err();
    assert!(long.starts_with("`with_cookie`: has a grace"), "{long}");
}
