//! The inner service can be reached, in the three ways of `tower-http`.

use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::fixtures::{authn, binding, gate, perimeter, quota, session, step_up};
use tower::Layer as _;

macro_rules! reaches_the_inner_service {
    ($($layer:ident),*) => {$(
        #[test]
        fn $layer() {
            let mut service = super::$layer(&RecordingAudit::new()).layer(1);
            assert_eq!(*service.get_ref(), 1);
            *service.get_mut() += 1;
            assert_eq!(*service.clone().get_ref(), 2);
            assert_eq!(service.into_inner(), 2);
        }
    )*};
}

mod reached_through {
    use super::*;
    reaches_the_inner_service!(authn, binding, gate, perimeter, quota, session, step_up);
}
