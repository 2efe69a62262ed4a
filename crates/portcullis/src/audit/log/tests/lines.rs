//! One record is one line, whatever stands in it.

use portcullis_core::{Actor, Evidence, EvidenceKind, RevocationKey};
use proptest::prelude::*;

use super::{
    super::{
        chain::Link,
        entry::Batch,
        line::{Lines, MAX_LINE},
    },
    bench::{START, record},
    disk::follow,
};
use crate::audit::tracing_sink::is_deceptive;

/// Text that tries to break out of a line.
fn hostile() -> impl Strategy<Value = String> {
    let bad = "[\\PC\r\n\0\u{1b}\"\\\\{},\u{7f}\u{85}\u{202e}\u{2028}\u{2029}\u{200b}\u{feff}\u{e0041}😀]{0,40}";
    prop_oneof![
        bad.prop_map(|text| text),
        Just("\u{2028}".repeat(2000)),
        Just("x".repeat(1 << 20)),
        Just(format!("{}😀", "x".repeat(1022))),
        Just(r#"","hash":"0000"}"#.to_owned() + "\n" + r#"{"seq":9,"time":0,"kind":"close""#),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn one_record_is_one_line_whatever_stands_in_it(
        path in hostile(),
        operation in hostile(),
        issuer in hostile(),
        subject in hostile(),
        client in hostile(),
        revoked in (hostile(), hostile(), hostile()),
        actors in proptest::collection::vec((hostile(), hostile()), 0..12),
    ) {
        let mut evidence = Evidence::new(EvidenceKind::User, issuer, subject).with_client(client);
        for (subject, issuer) in actors {
            evidence = evidence.add_actor(Actor::new(subject).with_issuer(issuer));
        }
        let mut record = record(1, START);
        record.path = &path;
        record.principal = Some(&evidence);
        record.operation = Some(&operation);
        let revoked = RevocationKey::Grant(revoked.0.into(), revoked.1.into(), revoked.2.into());
        record.revoked = Some(&revoked);
        let mut batch = Batch::default();
        batch.push(&record);
        let mut lines = Lines::behind(Link::BEFORE_THE_FIRST, START);
        for record in batch.records() {
            lines.record(&batch, record);
        }
        let text = str::from_utf8(lines.as_bytes()).unwrap();
        prop_assert!(text.len() < MAX_LINE);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let line = text.strip_suffix('\n').unwrap();
        let is_plain = |char: char| !char.is_control() && !is_deceptive(char);
        prop_assert!(line.chars().all(is_plain));
        let names_it = line.contains(r#""revoked":{"kind":"grant","issuer":""#);
        prop_assert!(names_it);
        prop_assert_eq!(follow(Link::BEFORE_THE_FIRST, line), lines.link());
    }
}
