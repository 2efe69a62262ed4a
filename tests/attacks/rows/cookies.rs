//! Cookies of sessions that are planted, guessed, doubled, kept and sent by others: S01, S04, S10,
//! S14, S15.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    BodyError, Clock as _,
    session::{MemorySessions, SessionCookie},
};
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::{
    desk::{cookie_of, desk},
    fixtures::{IDLE, short_sessions},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, Settings, finish},
    harness::{Expected, Harness},
};

const SECOND: Duration = Duration::from_secs(1);
/// How long an id is good that was replaced.
const GRACE: Duration = Duration::from_secs(10);
const OWN: &str = "https://agent.example";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S01", fixation).await;
    harness.row("S04", tossing).await;
    harness.row("S10", rotation).await;
    harness.row("S14", places).await;
    harness.row("S15", forgery).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(
        short_sessions()
            .with_cookie(SessionCookie::new("s"))
            .with_store(MemorySessions::default()),
    );
    settings.build()
}

/// The same, where the store has to be asked.
fn asking_guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(
        short_sessions()
            .with_cookie(SessionCookie::new("s"))
            .with_store(FaultyStore::new(MemorySessions::default())),
    );
    settings.build()
}

fn token(guard: &Guard) -> String {
    let now = guard.clock.now().unix_seconds();
    guard
        .token()
        .with_lifetime(Duration::from_secs(7200))
        .with_claim("auth_time", now)
        .mint()
}

async fn ask(
    guard: &Guard,
    request: Request<Full<Bytes>>,
) -> Response<portcullis::ResponseBody<String>> {
    let service = guard.gate.layer(tower::service_fn(desk::<Full<Bytes>>));
    match service.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A cookie of the session of this token.
async fn login(guard: &Guard, token: &str) -> String {
    let request = guard.request("/login").method(Method::POST);
    let request = finish(request.header("authorization", format!("Bearer {token}")));
    let cookie = cookie_of(&ask(guard, request).await);
    let _ = guard.audit.take();
    cookie.unwrap_or_default()
}

/// Another cookie in place of this one; or what the handler says.
async fn replace(guard: &Guard, cookie: &str) -> Result<String, String> {
    let request = guard.request("/login").method(Method::POST);
    let request = request.header("cookie", cookie).header("origin", OWN);
    let response = ask(guard, finish(request)).await;
    let cookie = cookie_of(&response).filter(|_| response.status() == 200);
    let body = response.into_body().collect().await;
    let body = body.map_err(|error: BodyError| error.to_string())?;
    let _ = guard.audit.take();
    cookie.ok_or_else(|| String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn with_cookie(guard: &Guard, cookie: &str) -> Request<Full<Bytes>> {
    finish(guard.request("/notes").header("cookie", cookie))
}

async fn fixation(harness: &mut Harness) {
    let unknown = Expected::invalid_token(&["session_cookie_unknown"]);
    let stale = Expected::invalid_token(&["session_cookie_stale"]);
    for guard in [guard(), asking_guard()] {
        let token = token(&guard);
        let planted = format!("__Host-s={}", "A".repeat(86));
        let request = with_cookie(&guard, &planted);
        harness
            .attack("an id of one's own choice", &guard, request, &unknown)
            .await;
        for value in [
            "",
            "A",
            &"A".repeat(85),
            &"A".repeat(87),
            &"~".repeat(86),
            "admin",
        ] {
            let request = with_cookie(&guard, &format!("__Host-s={value}"));
            let name = format!("what is no id: {value}");
            harness.attack(&name, &guard, request, &unknown).await;
        }
        let cookie = login(&guard, &token).await;
        harness.judged(
            "an id of one's own choice before a login",
            match cookie.is_empty() || cookie == planted {
                true => Err(format!("the cookie is {cookie}")),
                false => Ok(()),
            },
        );
        harness
            .control("a cookie", &guard, with_cookie(&guard, &cookie))
            .await;
        // All but the id is right.
        let (head, _) = cookie.split_at(cookie.len() - 40);
        let guessed = format!("{head}{}", "A".repeat(40));
        let request = with_cookie(&guard, &guessed);
        harness
            .attack("a session's place with another id", &guard, request, &stale)
            .await;
        let other = guard.idp.token("bob").with_audience(crate::guard::RESOURCE);
        let now = guard.clock.now().unix_seconds();
        let other = login(&guard, &other.with_claim("auth_time", now).mint()).await;
        let mixed = format!(
            "{}{}",
            cookie.get(..52).unwrap_or(""),
            other.get(52..).unwrap_or("")
        );
        let request = with_cookie(&guard, &mixed);
        harness
            .attack(
                "one's own id at somebody else's place",
                &guard,
                request,
                &stale,
            )
            .await;

        // A later authentication, by whatever credential, makes it void.
        guard.clock.advance(5 * SECOND);
        let later = self::token(&guard);
        harness
            .control("a later login", &guard, guard.bearer(&later))
            .await;
        let request = with_cookie(&guard, &cookie);
        harness
            .attack("an id of before the login", &guard, request, &stale)
            .await;
        let cookie = login(&guard, &later).await;
        harness
            .control("the id after it", &guard, with_cookie(&guard, &cookie))
            .await;

        // A standing credential would open another session at once.
        let (_, key) = guard.issue(Duration::from_secs(7200));
        let of_key = login(&guard, &key).await;
        harness
            .control("of a key", &guard, with_cookie(&guard, &of_key))
            .await;
        guard.clock.advance(IDLE);
        let over = Expected::invalid_token(&["session_idle"]);
        let request = with_cookie(&guard, &of_key);
        harness
            .attack("a session of a key that is over", &guard, request, &over)
            .await;
    }
}

async fn tossing(harness: &mut Harness) {
    let guard = guard();
    let cookie = login(&guard, &token(&guard)).await;
    let value = cookie.split_once('=').map_or("", |(_, value)| value);
    let evil = format!("__Host-s={}", "B".repeat(86));
    let long = format!("__Host-s={value}{}", "A".repeat(4096));
    let ambiguous = Expected::invalid_request(&["session_cookie_ambiguous"]);
    let control = format!("theme=dark; {cookie}; lang=en; s={value}; __Host-s2=x");
    harness
        .control("among others", &guard, with_cookie(&guard, &control))
        .await;
    for (name, sent) in [
        ("the attacker's first", format!("{evil}; {cookie}")),
        ("the attacker's last", format!("{cookie}; {evil}")),
        ("the same twice", format!("{cookie}; {cookie}")),
        ("in another case", format!("__host-s={value}")),
        (
            "in another case beside it",
            format!("{cookie}; __HOST-S={value}"),
        ),
        ("with a space in its name", format!("__Host-s ={value}")),
        (
            "with a space before its name",
            format!("a=b;  __Host-s={value}"),
        ),
        ("with a tab", format!("a=b;\t__Host-s={value}")),
        ("with its name in quotes", format!("\"__Host-s\"={value}")),
        ("with its value in quotes", format!("__Host-s=\"{value}\"")),
        ("without a name", format!("=__Host-s={value}")),
        (
            "in the words of another time",
            format!("$Version=1; {cookie}; $Path=/"),
        ),
        ("longer than a cookie is", long),
    ] {
        let request = with_cookie(&guard, &sent);
        harness.attack(name, &guard, request, &ambiguous).await;
    }
    for (name, one, other) in [
        ("in two lines, the attacker's first", &evil, &cookie),
        ("in two lines, the attacker's last", &cookie, &evil),
    ] {
        let request = guard.request("/notes").header("cookie", one);
        let request = finish(request.header("cookie", other));
        harness.attack(name, &guard, request, &ambiguous).await;
    }
    let two = Expected::invalid_request(&["credentials_of_two_kinds"]);
    let bearer = format!("Bearer {}", token(&guard));
    let request = guard.request("/notes").header("cookie", &cookie);
    let request = finish(request.header("authorization", bearer));
    harness
        .attack("beside a token", &guard, request, &two)
        .await;
    // A bomb of others evicts ours: then there is none.
    let bomb = (0..60)
        .map(|n| format!("c{n}=x"))
        .collect::<Vec<_>>()
        .join("; ");
    let request = with_cookie(&guard, &bomb);
    harness
        .attack("others in its place", &guard, request, &Expected::missing())
        .await;
    harness
        .control("once", &guard, with_cookie(&guard, &cookie))
        .await;
}

async fn rotation(harness: &mut Harness) {
    let stale = Expected::invalid_token(&["session_cookie_stale"]);
    for guard in [guard(), asking_guard()] {
        let first = login(&guard, &token(&guard)).await;
        // As many at once as like.
        let at_once = (0..20).map(|_| replace(&guard, &first));
        let answers = futures_util::future::join_all(at_once).await;
        let given: Vec<_> = answers.into_iter().flatten().collect();
        harness.judged(
            "twenty that replace one id at once",
            match given.len() {
                1 => Ok(()),
                others => Err(format!("{others} were given another")),
            },
        );
        let second = given.into_iter().next().unwrap_or_default();
        for n in 0..5 {
            let name = format!("on its way, {n}");
            harness
                .control(&name, &guard, with_cookie(&guard, &first))
                .await;
        }
        harness.judged(
            "an id that was replaced replaces the new one",
            match replace(&guard, &first).await {
                Err(said) if said == "the id of the request was replaced" => Ok(()),
                other => Err(format!("{other:?}")),
            },
        );
        guard.clock.advance(GRACE - SECOND);
        harness
            .control("within the grace", &guard, with_cookie(&guard, &first))
            .await;
        guard.clock.advance(SECOND);
        let request = with_cookie(&guard, &first);
        harness
            .attack("after the grace", &guard, request, &stale)
            .await;
        harness
            .control("the new one", &guard, with_cookie(&guard, &second))
            .await;
    }
}

async fn places(harness: &mut Harness) {
    let guard = guard();
    let cookie = login(&guard, &token(&guard)).await;
    let value = cookie.split_once('=').map_or("", |(_, value)| value);
    let missing = Expected::missing();
    for (name, path) in [
        ("in the query", format!("/notes?__Host-s={value}")),
        (
            "in a parameter of the path",
            format!("/notes;__Host-s={value}"),
        ),
        ("in the path", format!("/notes/{value}")),
    ] {
        let request = finish(guard.request(&path));
        harness.attack(name, &guard, request, &missing).await;
    }
    for header in [
        "mcp-session-id",
        "x-session-id",
        "referer",
        "set-cookie",
        "cookie2",
    ] {
        let request = finish(guard.request("/notes").header(header, &cookie));
        let name = format!("in the header {header}");
        harness.attack(&name, &guard, request, &missing).await;
    }
    let invalid = Expected::invalid_token(&["credential_unknown"]);
    let request = guard.bearer(value);
    harness
        .attack("as a token", &guard, request, &invalid)
        .await;
    harness
        .control("in its place", &guard, with_cookie(&guard, &cookie))
        .await;

    // What comes back, and what is written down of it.
    let response = ask(&guard, with_cookie(&guard, &cookie)).await;
    let headers = format!("{:?}", response.headers());
    let body = response.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let told = format!(
        "{headers}{}{:?}",
        String::from_utf8_lossy(&body),
        guard.audit.take()
    );
    harness.judged(
        "it is told to a handler or a record",
        match told.contains(value) {
            true => Err(told),
            false => Ok(()),
        },
    );
}

async fn forgery(harness: &mut Harness) {
    let guard = guard();
    let cookie = login(&guard, &token(&guard)).await;
    let cross_site = Expected::status(403, &["cross_site"]);
    let said = |method: Method, site: Option<&str>, origin: Option<&str>| {
        let mut request = guard.request("/notes").method(method);
        for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        finish(request.header("cookie", &cookie))
    };
    for (name, site, origin) in [
        ("a page of ours", Some("same-origin"), Some(OWN)),
        ("a page of ours, by an older browser", None, Some(OWN)),
        ("the browser itself", Some("none"), None),
    ] {
        harness
            .control(name, &guard, said(Method::POST, site, origin))
            .await;
    }
    for (name, method, site, origin) in [
        (
            "a page of another site",
            Method::POST,
            Some("cross-site"),
            None,
        ),
        ("a page of a sister", Method::POST, Some("same-site"), None),
        (
            "a page that says our origin",
            Method::DELETE,
            Some("cross-site"),
            Some(OWN),
        ),
        ("whoever says nothing", Method::POST, None, None),
        (
            "words that nobody knows",
            Method::PUT,
            Some("SAME-ORIGIN"),
            None,
        ),
    ] {
        let request = said(method, site, origin);
        harness.attack(name, &guard, request, &cross_site).await;
    }
    let elsewhere = Expected::status(403, &["origin_not_allowed"]);
    for origin in [
        "null",
        "https://evil.example",
        "https://agent.example.evil.example",
    ] {
        let request = said(Method::POST, Some("same-origin"), Some(origin));
        harness.attack(origin, &guard, request, &elsewhere).await;
    }
    // Nobody is logged out, given another id or logged in by somebody else's page.
    let forged = |path: &str| {
        let request = guard.request(path).method(Method::POST);
        request.header("sec-fetch-site", "cross-site")
    };
    for path in ["/logout", "/login"] {
        let request = finish(forged(path).header("cookie", &cookie));
        let status = ask(&guard, request).await.status().as_u16();
        harness.judged(
            &format!("a page of another site asks for {path}"),
            match status {
                403 => Ok(()),
                status => Err(format!("answered {status}")),
            },
        );
    }
    let bearer = format!("Bearer {}", token(&guard));
    let login = ask(
        &guard,
        finish(forged("/login").header("authorization", bearer)),
    )
    .await;
    harness.judged(
        "a page of another site logs somebody in",
        match login.headers().get(header::SET_COOKIE) {
            None => Ok(()),
            Some(_) => Err("a cookie was given out".to_owned()),
        },
    );
    let _ = guard.audit.take();
    harness
        .control("still in", &guard, with_cookie(&guard, &cookie))
        .await;
}
