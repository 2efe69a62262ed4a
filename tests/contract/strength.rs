//! Good credentials that are not good enough.

use std::time::Duration;

use portcullis::step_up::{Requirement, StepUpLayer};

use super::*;

#[tokio::test]
async fn strength() {
    let mut lines = Vec::new();
    let step_up = StepUpLayer::builder()
        .add_route_requirement("/pay", Requirement::new().with_scopes("pay.read pay.write"))
        .add_route_requirement("/strong", Requirement::new().add_acr("phr"))
        .add_route_requirement(
            "/recent",
            Requirement::new().with_max_age(Duration::from_secs(300)),
        )
        .add_route_requirement(
            "/young",
            Requirement::new().with_max_token_age(Duration::from_secs(60)),
        );
    let site = Site::new();
    let stack = site.stack().with_step_up(step_up);
    let open = site.open(stack);
    let with = |path: &str, token: &Token| {
        let credential = format!("Bearer {}", token.mint());
        finish(open.to(path, &[("authorization", &credential)]))
    };
    let token = || open.site.token();
    lines.push(
        open.line("a scope is missing", with("/pay", &token()))
            .await,
    );
    let weak = with("/strong", &token());
    lines.push(open.line("the authentication is too weak", weak).await);
    let now = open.site.clock.now().unix_seconds();
    let old = token().with_claim("auth_time", now - 600);
    lines.push(
        open.line("the authentication is too old", with("/recent", &old))
            .await,
    );
    let old = token().with_age(Duration::from_secs(120));
    lines.push(
        open.line("the token is too old for this", with("/young", &old))
            .await,
    );
    let service = token().with_claim("sub", "machine").with_client("machine");
    let of_machine = with("/strong", &service);
    lines.push(
        open.line("too weak, and it is no person's", of_machine)
            .await,
    );
    // Each time with a new token that is as weak.
    for _ in 0..3 {
        open.site.clock.advance(Duration::from_secs(1));
        let _ = open.send(with("/strong", &token())).await;
    }
    open.site.clock.advance(Duration::from_secs(1));
    let again = with("/strong", &token());
    lines.push(open.line("too weak, again and again", again).await);
    hold("Strength", &lines);
}
