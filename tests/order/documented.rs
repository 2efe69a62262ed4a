//! The `Slot` table, what the layers do, and what the documentation says are one.

use std::{fs, path::Path};

use http::{Request, Response};
use portcullis::{Exchange, Slot, Stack};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, binding, gate, perimeter, quota, request_with, session, step_up},
    logs::Logs,
    table_auth::TableAuth,
};
use tower::{Layer as _, ServiceExt as _};
use tracing::Level;

fn source(path: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/portcullis/src");
    fs::read_to_string(crates.join(path)).unwrap()
}

/// The rows of the table below a heading in a module's documentation, without its head.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    lines
        .skip_while(|line| *line != heading)
        .skip(1)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect()
}

#[test]
fn the_documented_order_is_the_table() {
    let text = source("stack/mod.rs");
    let documented = rows(&text, "# The order");
    let table: Vec<_> = Slot::ALL
        .into_iter()
        .map(|slot| {
            let statuses: Vec<_> = slot.refuses_with().iter().map(u16::to_string).collect();
            let name = slot.name();
            let (writes, refuses) = (slot.writes(), statuses.join(" "));
            format!("| [`{name}`](crate::{name}) | {writes} | {refuses} |")
        })
        .collect();
    assert_eq!(documented, table);
}

/// Every status of the table stands in the documentation of its layer, and no other.
#[test]
fn every_layer_documents_its_statuses() {
    for slot in Slot::ALL {
        let text = source(&format!("{}/mod.rs", slot.name()));
        let mut documented: Vec<u16> = rows(&text, "# What is answered")
            .iter()
            .filter_map(|row| row.split('|').nth(2)?.trim().parse().ok())
            .filter(|status| *status >= 400)
            .collect();
        documented.sort_unstable();
        documented.dedup();
        assert_eq!(documented, slot.refuses_with(), "{slot}");
    }
}

#[tokio::test]
async fn requests_come_through_in_the_order_of_the_table() {
    let handler = || {
        tower::service_fn(async |request: Request<_>| {
            let _: &portcullis::RequestBody<String> = request.body();
            let exchange = Exchange::of(request.extensions()).unwrap();
            assert!(exchange.trail().eq(Slot::ALL));
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        })
    };
    let audit = RecordingAudit::new();
    let request = || request_with("good-alice").body(String::new()).unwrap();
    let gated = gate(&audit).layer(handler());
    assert_eq!(gated.oneshot(request()).await.unwrap().status(), 200);
    let inner = quota(&audit).layer(step_up(&audit).layer(handler()));
    let inner = session(&audit).layer(binding(&audit).layer(inner));
    let loose = perimeter(&audit).layer(authn(&audit).layer(inner));
    assert_eq!(loose.oneshot(request()).await.unwrap().status(), 200);
    audit.assert_decisions(2);
}

#[test]
fn the_gate_shows_the_order_of_the_table() {
    let (logs, _listening) = Logs::listen();
    let gate = gate(&RecordingAudit::new());
    assert!(gate.slots().eq(Slot::ALL));
    let names = format!("{:?}", Slot::ALL.map(Slot::name));
    assert!(format!("{gate:?}").contains(&names), "{gate:?}");
    // One line at start says the same.
    let mut said = logs.lines(Level::INFO);
    said.retain(|line| line.contains("the gate is built"));
    assert!(
        matches!(said.as_slice(), [line] if line.contains(&names)),
        "{said:?}"
    );
}

/// What is off is not shown.
#[test]
fn a_gate_shows_only_what_stands_in_it() {
    let (logs, _listening) = Logs::listen();
    let builder = Stack::builder().with_resource("https://agent.example/");
    let (gate, _) = builder.add_authenticator(TableAuth::new()).build().unwrap();
    assert!(gate.slots().eq([Slot::Perimeter, Slot::Authn]));
    let names = r#"["perimeter", "authn"]"#;
    assert!(format!("{gate:?}").contains(names), "{gate:?}");
    let said = logs.lines(Level::INFO);
    assert!(
        matches!(said.as_slice(), [line] if line.contains(names)),
        "{said:?}"
    );
}
