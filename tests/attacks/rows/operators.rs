//! What others have an operator's browser, or a server without a gate, do: S15.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use portcullis::{
    Clock as _,
    operator::Operator,
    session::{SessionCookie, SessionLayer},
    step_up::Requirement,
};
use portcullis_tests::desk::{cookie_of, desk};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, Settings, finish},
    harness::Harness,
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S15", forged_orders).await;
}

fn order(guard: &Guard, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = guard.request("/revocations").method(Method::POST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = finish(request);
    let form = "kind=issuer&issuer=https%3A%2F%2Fidp.example";
    *request.body_mut() = Full::from(form);
    request
}

/// Refused with this status, by one record with this reason.
fn judge(guard: &Guard, answered: u16, expected: u16, reason: &str) -> Result<(), String> {
    let records = guard.audit.take();
    let named = records
        .iter()
        .filter(|one| one.reason.as_str() == reason)
        .count();
    match answered == expected && named == 1 {
        true => Ok(()),
        false => Err(format!("{answered} with {records:?}")),
    }
}

async fn forged_orders(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.session = Some(SessionLayer::builder().with_cookie(SessionCookie::new("s")));
    let guard = settings.build();
    let requirement = Requirement::new().with_scopes("notes.read");
    let Ok(operator) = Operator::builder(&guard.handle)
        .with_requirement(requirement)
        .build()
    else {
        return harness.judged("an operator", Err("it cannot be built".into()));
    };
    let ask = async |request| match guard.gate.layer(operator.clone()).oneshot(request).await {
        Ok(response) => response.status().as_u16(),
        Err(never) => match never {},
    };
    let now = guard.clock.now().unix_seconds();
    let token = guard.token().with_claim("auth_time", now).mint();
    let bearer = format!("Bearer {token}");
    let login = guard.request("/login").method(Method::POST);
    let login = finish(login.header("authorization", &bearer));
    let login = guard.gate.layer(tower::service_fn(desk)).oneshot(login);
    let cookie = match login.await {
        Ok(response) => cookie_of(&response).unwrap_or_default(),
        Err(never) => match never {},
    };

    let _ = guard.audit.take();
    let by_cookie = order(
        &guard,
        &[
            ("cookie", &cookie),
            ("sec-fetch-site", "same-origin"),
            ("content-type", FORM),
        ],
    );
    let answered = ask(by_cookie).await;
    harness.judged(
        "an operator's browser is made to send an order",
        judge(&guard, answered, 403, "operator_cookie"),
    );
    for media_type in ["text/plain", "multipart/form-data", "application/json"] {
        let typed = order(
            &guard,
            &[("authorization", &bearer), ("content-type", media_type)],
        );
        let answered = ask(typed).await;
        harness.judged(
            &format!("an order as {media_type}"),
            judge(&guard, answered, 415, "operator_media_type"),
        );
    }
    let alone = order(
        &guard,
        &[("authorization", &bearer), ("content-type", FORM)],
    );
    let answered = match operator.clone().oneshot(alone).await {
        Ok(response) => response.status().as_u16(),
        Err(never) => match never {},
    };
    harness.judged(
        "an order where no gate stands in front",
        judge(&guard, answered, 500, "stack_misordered"),
    );
    // None of it has ended anything.
    harness
        .control("the operator is in still", &guard, guard.bearer(&token))
        .await;
}
