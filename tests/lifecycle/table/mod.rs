//! One table of requests, and everything that a gate can stand in. What is answered and what
//! is recorded must not depend on it.

mod cases;
mod handlers;
mod hosts;

use portcullis::audit::Outcome;
use portcullis_tests::answers::is_documented;

use self::{
    cases::{Case, Sent, cases},
    hosts::Host,
};

/// Sends the whole table, and a good request after each of its rows.
async fn holds(host: Host) {
    for case in cases() {
        if case.is_fallback && !host.guards_fallback {
            continue;
        }
        check(&host, &case).await;
        check(&host, &Case::good()).await;
    }
}

async fn check(host: &Host, case: &Case) {
    let what = format!("{}: {}", host.name, case.what);
    let response = host.send(case.request(host.prefix)).await;
    let body = String::from_utf8_lossy(response.body());
    assert_eq!(response.status(), case.status, "{what}: {body}");

    let challenges: Vec<_> = response
        .headers()
        .get_all("www-authenticate")
        .iter()
        .collect();
    assert_eq!(challenges, Vec::from_iter(case.challenge), "{what}");
    let retry_after = response.headers().get("retry-after");
    assert_eq!(
        retry_after.map(|value| value.as_bytes()),
        case.retry_after.map(str::as_bytes),
        "{what}"
    );
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin"),
        "{what}"
    );

    let recorded = host.audit.assert_one_decision();
    let _ = host.audit.take();
    assert_eq!(recorded.reason.as_str(), case.reason, "{what}");
    assert_eq!(
        recorded.path,
        format!("{}{}", host.prefix, case.path),
        "{what}"
    );
    assert_eq!(recorded.method, case.method, "{what}");
    assert_eq!(recorded.client_address.is_some(), host.knows_peer, "{what}");
    match recorded.outcome {
        Outcome::Admitted => assert_eq!(recorded.status, None, "{what}"),
        _ => {
            let status = response.status();
            assert_eq!(recorded.status, Some(status), "{what}");
            let is_documented = is_documented(case.reason, status.as_u16());
            assert!(is_documented, "{what}: not in the guide");
        }
    }

    if let Some(caller) = case.caller {
        // The handler saw who calls, where the client wanted to go, and no credential.
        let seen = format!(
            "caller={caller} path={}{} credential=gone",
            host.prefix, case.path
        );
        assert!(body.starts_with(&seen), "{what}: {body}");
        if host.has_routes {
            let route = format!("route={}{}", host.prefix, case.route);
            assert!(body.ends_with(&route), "{what}: {body}");
        }
    }
    let is_problem = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind == "application/problem+json");
    assert_eq!(is_problem, case.is_refusal(), "{what}");
    if case.sent == Sent::Good && case.status == 200 {
        assert_eq!(response.headers()["cache-control"], "no-store", "{what}");
    }
}

macro_rules! holds_on {
    ($($host:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $host() {
            holds(hosts::$host().await).await;
        }
    )*};
}

mod the_table_holds_on {
    use super::*;

    holds_on!(
        a_guarded_router,
        a_router_with_the_gate_as_its_layer,
        a_nested_router,
        a_guarded_router_as_a_nested_service,
        a_plain_service_as_a_nested_service,
        a_guarded_router_over_tcp,
        a_plain_service_over_tcp_with_http1,
        a_plain_service_over_tcp_with_http2,
        a_service_fn_over_tcp,
        a_service_with_bodies_of_its_own,
        loose_layers_around_a_service,
        loose_layers_around_a_router,
    );
}
