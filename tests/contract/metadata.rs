//! The metadata of the resource (RFC 9728).

use portcullis::{ResourceDetails, jwt::Dpop, revocation::MemoryReplays};
use serde_json::Value;

use super::*;

const PLACE: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn metadata() {
    let site = Site::new();
    let details = ResourceDetails::new()
        .with_name("Notes")
        .with_documentation("https://agent.example/docs")
        .with_policy("https://agent.example/policy")
        .with_terms_of_service("https://agent.example/terms")
        .with_certificate_bound_tokens();
    let stack = site
        .stack()
        .with_proof_of_possession(Dpop::new(MemoryReplays::default()))
        .require_sender_constraint()
        .with_resource_details(details);
    let open = site.open(stack);
    let mut lines = Vec::new();
    for method in ["GET", "HEAD", "OPTIONS", "POST"] {
        let request = finish(open.to(PLACE, &[]).method(method));
        lines.push(
            open.line(&format!("`{method}` of the metadata"), request)
                .await,
        );
    }
    hold("Metadata", &lines);

    let answer = open.send(finish(open.to(PLACE, &[]))).await;
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let members = document.as_object().unwrap().iter();
    let rendered: Vec<_> = members
        .map(|(name, value)| format!("`{name}` | `{value}`"))
        .collect();
    let section = PAGE.split("//! ## The document").nth(1).unwrap();
    let lines: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .map(|line| format!("`{line}"))
        .collect();
    // The third column says what the value follows from.
    let is_same = lines.len() == rendered.len()
        && lines
            .iter()
            .zip(&rendered)
            .all(|(line, rendered)| line.starts_with(&format!("{rendered} | ")));
    assert!(
        is_same,
        "the document is another than on the page:\n//! | {}",
        rendered.join(" |\n//! | ")
    );
}
