//! What the assertions say, and when they fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::Method;
use portcullis_core::{Evidence, EvidenceKind, ReasonCode, RecordKind, RequestId, Timestamp};

use super::*;

fn record<'a>(audit: &RecordingAudit, id: u128, change: impl FnOnce(&mut Record<'a>)) {
    let mut record = Record::new(
        RequestId::from_u128(id),
        Timestamp::UNIX_EPOCH,
        Outcome::Refused,
        "authn",
        ReasonCode::new("jwt_expired"),
        &Method::GET,
        "/notes",
    );
    record.status = Some(StatusCode::UNAUTHORIZED);
    change(&mut record);
    audit.record(&record).unwrap();
}

/// What the assertion says when it fails.
fn complaint<T>(assertion: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(assertion)).err().unwrap();
    *payload.downcast::<String>().unwrap()
}

#[test]
fn a_refusal_is_found_by_reason_and_status() {
    let audit = RecordingAudit::new();
    record(&audit, 1, |_| {});
    let recorded = audit
        .clone()
        .assert_refused("jwt_expired", StatusCode::UNAUTHORIZED);
    audit.assert_refused("jwt_expired", 401);
    assert_eq!(recorded.path, "/notes");
    assert_eq!(recorded.subject(), None);
    for failed in [
        complaint(|| audit.assert_refused("jwt_expired", 403)),
        complaint(|| audit.assert_refused("jwt_unknown", 401)),
        complaint(|| audit.assert_failed("jwt_expired", 401)),
        complaint(|| audit.assert_admitted("alice")),
    ] {
        assert!(
            failed.contains(
                "there is one record:\n  decision: GET \"/notes\" was refused by `authn` \
                 for `jwt_expired`, status 401, request 00000000-0000-0000-0000-000000000001"
            ),
            "{failed}"
        );
    }
}

#[test]
fn an_admission_is_found_by_subject() {
    let audit = RecordingAudit::new();
    let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
    record(&audit, 1, |record| {
        record.outcome = Outcome::Admitted;
        record.status = None;
        record.principal = Some(&alice);
    });
    assert_eq!(audit.assert_admitted("alice").principal, Some(alice));
    let failed = complaint(|| audit.assert_admitted("bob"));
    assert!(
        failed.contains("user `alice` of `https://idp.example`"),
        "{failed}"
    );
}

#[test]
fn one_decision_is_neither_none_nor_two() {
    let audit = RecordingAudit::new();
    let failed = complaint(|| audit.assert_one_decision());
    assert!(failed.ends_with("there is no record"), "{failed}");
    record(&audit, 1, |_| {});
    record(&audit, 2, |_| {});
    let failed = complaint(|| audit.assert_one_decision());
    assert!(failed.contains("there are 2 records"), "{failed}");
    audit.assert_decisions(2);
    record(&audit, 2, |_| {});
    complaint(|| audit.assert_decisions(2));
    complaint(|| audit.assert_decisions(3));
    assert_eq!(audit.len(), 3);
    assert_eq!(audit.take().len(), 3);
    assert!(audit.is_empty());
}

#[test]
fn a_call_is_found_by_its_operation_and_is_no_decision() {
    let audit = RecordingAudit::new();
    record(&audit, 1, |_| {});
    let failed = complaint(|| audit.assert_call_permitted("payments.transfer"));
    assert!(failed.contains("there is one record"), "{failed}");
    record(&audit, 1, |record| {
        record.kind = RecordKind::Call;
        record.operation = Some("payments.transfer");
        record.reason = ReasonCode::new("scope_missing");
    });
    audit.assert_one_decision();
    let refused = audit.assert_call_refused("payments.transfer", "scope_missing");
    assert_eq!(refused.operation.as_deref(), Some("payments.transfer"));
    for failed in [
        complaint(|| audit.assert_call_permitted("payments.transfer")),
        complaint(|| audit.assert_call_refused("payments.transfer", "acr_insufficient")),
        complaint(|| audit.assert_call_refused("payments", "scope_missing")),
    ] {
        let wanted = "\n  call: \"payments.transfer\" in GET \"/notes\" was refused by `authn`";
        assert!(failed.contains(wanted), "{failed}");
    }
    record(&audit, 2, |record| {
        record.kind = RecordKind::Call;
        record.operation = Some("payments.transfer");
        record.outcome = Outcome::Admitted;
    });
    complaint(|| audit.assert_call_permitted("payments.transfer"));
}

#[test]
fn a_failing_sink_keeps_nothing() {
    let audit = RecordingAudit::failing();
    let method = Method::GET;
    let record = Record::new(
        RequestId::from_u128(1),
        Timestamp::UNIX_EPOCH,
        Outcome::Admitted,
        "authn",
        ReasonCode::new("accepted"),
        &method,
        "/",
    );
    assert!(audit.record(&record).is_err());
    assert!(audit.is_empty());
    audit.set_failing(false);
    assert!(audit.record(&record).is_ok());
    assert_eq!(audit.len(), 1);
}
