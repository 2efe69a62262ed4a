//! A token that is known costs no allocation. Alone in its binary: the counter counts all.

mod support;

use portcullis_core::{Authenticator as _, Check, Clock as _, RequestView, Verdict};

use support::{
    clock::ManualClock,
    idp::{World, fixed},
    parts,
    signer::Signer,
};

#[test]
fn a_known_token_allocates_nothing() {
    let signer = Signer::es256("a");
    let retrieved = World::new([&signer]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let parts = parts(&signer.token());
    let view = RequestView::new(&parts, ManualClock::new().now());
    let warm_up = runtime.block_on(retrieved.auth.verify(&view));
    assert!(matches!(warm_up, Verdict::Accept(_)));
    for auth in [&retrieved.auth, &fixed([&signer])] {
        let look = || match auth.check(&view) {
            Check::Done(Verdict::Accept(evidence)) => evidence,
            other => panic!("{other:?}"),
        };
        drop(look());
        let counted = allocation_counter::measure(|| drop(look()));
        assert_eq!(counted.count_total, 0);
    }
}

#[test]
fn another_credential_allocates_nothing() {
    let auth = fixed([&Signer::es256("a")]);
    let parts = parts("pc_live_8f3a_secret_1c2b3d");
    let view = RequestView::new(&parts, ManualClock::new().now());
    let counted = allocation_counter::measure(|| {
        assert!(matches!(auth.check(&view), Check::Done(Verdict::NotMine)));
    });
    assert_eq!(counted.count_total, 0);
}
