//! Requests that are refused whoever sends them, and what the gate answers by itself.

use super::*;

#[tokio::test]
async fn transport() {
    let mut lines = Vec::new();
    let site = Site::new();
    let perimeter = PerimeterLayer::builder()
        .with_max_body(1024)
        .without_refusal_budget();
    let stack = site.stack().with_perimeter(perimeter);
    let open = site.open(stack);
    let bearer = format!("Bearer {}", open.site.token().mint());
    let good = ("authorization", &*bearer);

    let preflight = open.to(
        "/notes",
        &[
            ("origin", "https://agent.example"),
            ("access-control-request-method", "POST"),
        ],
    );
    let preflight = finish(preflight.method("OPTIONS"));
    lines.push(open.line("a CORS preflight", preflight).await);
    let foreign = open.with(&[good, ("origin", "https://evil.example")]);
    lines.push(open.line("`Origin` is not allowed", foreign).await);

    let hosts: [(&str, &[&str]); 3] = [
        ("`Host` is missing", &[]),
        ("`Host` is there twice", &["agent.example", "agent.example"]),
        ("`Host` is not allowed", &["evil.example"]),
    ];
    for (situation, hosts) in hosts {
        let mut request = Request::builder().uri("/notes").header(good.0, good.1);
        for host in hosts {
            request = request.header("host", *host);
        }
        lines.push(open.line(situation, finish(request)).await);
    }
    let connect = open.to("agent.example:443", &[good]).method("CONNECT");
    lines.push(open.line("`CONNECT`", finish(connect)).await);
    for (situation, path) in [
        ("a path that can be read in two ways", "/notes/../admin"),
        ("a path with a slash in it", "/notes%2fadmin"),
    ] {
        lines.push(open.line(situation, finish(open.to(path, &[good]))).await);
    }
    let large = open.with(&[good, ("content-length", "1025")]);
    lines.push(open.line("the body is too large", large).await);
    let long = format!("/{}", "a".repeat(20_000));
    lines.push(
        open.line("the URI is too long", finish(open.to(&long, &[good])))
            .await,
    );
    let padding = "a".repeat(64 << 10);
    let large = open.with(&[good, ("x-padding", &padding)]);
    lines.push(open.line("the headers are too large", large).await);
    hold("Transport", &lines);
}
