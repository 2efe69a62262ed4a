//! Extensions of one request, planted into another on their way from `authn` to a quota: by then
//! they say who calls, so that the thief would spend what is the victim's and be taken for it.

use http::Request;
use portcullis::quota::{Quota, QuotaLayer};
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::fixtures::{authn, request_with};
use tokio_test::task;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    thief::{ALL_WAYS, Taken, Thief},
    wrappers::{WITH_A_FLIGHT_IN_SIGHT, wrap},
};

fn request(token: &str, role: &'static str) -> Request<String> {
    let request = request_with(token).header(role, "");
    request.body(String::new()).unwrap()
}

#[tokio::test]
async fn nobody_is_called_and_nobody_pays() {
    for taken in ALL_WAYS {
        for called in WITH_A_FLIGHT_IN_SIGHT {
            for token in ["good-bob", "io-good-bob"] {
                let what = format!("{taken:?}, {called:?} with {token}");
                let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
                let quota = QuotaLayer::builder()
                    .with_audit(RecordingAudit::new())
                    .with_per_principal(Quota::per_hour(1).with_burst(2));
                let inner = quota.build().unwrap().layer(handler.clone());
                let thief = Thief::new(taken);
                let service = authn(&audit).layer(thief.layer(wrap(called, inner)));

                let mut victim =
                    task::spawn(service.clone().oneshot(request("good-alice", "x-victim")));
                match taken {
                    Taken::MovedAndHeld => assert!(victim.poll().is_pending()),
                    _ => assert_eq!((&mut victim).await.unwrap().status(), 200),
                }
                assert!(thief.has_loot());
                let paid = handler.calls();

                let stolen = service.clone().oneshot(request(token, "x-thief"));
                assert_eq!(stolen.await.unwrap().status(), 500, "{what}");
                handler.assert_called(paid);

                // Both have what they had.
                for (subject, requests) in [("alice", 2 - paid), ("bob", 2)] {
                    for n in 0..=requests {
                        let token = format!("good-{subject}");
                        let call = service.clone().oneshot(request(&token, "x-honest"));
                        let status = if n < requests { 200 } else { 429 };
                        assert_eq!(call.await.unwrap().status(), status, "{what}: {token}");
                    }
                }
            }
        }
    }
}
