//! What a stack says of settings that cannot work.

use http::HeaderName;
use portcullis::{
    ConfigErrors, Stack,
    binding::{BindingBuilder, BindingLayer},
    session::SessionLayer,
    stack::{Complete, StackBuilder},
};
use portcullis_tests::{fixtures::RESOURCE, table_auth::TableAuth};

fn stack(binding: BindingBuilder) -> StackBuilder<Complete> {
    Stack::builder()
        .with_resource(RESOURCE)
        .with_binding(binding)
        .add_authenticator(TableAuth::new())
}

#[track_caller]
fn assert_named(errors: &ConfigErrors, setting: &str, fix: &str) {
    let mut errors = errors.iter();
    let error = errors.next().unwrap();
    assert_eq!(error.setting(), setting);
    assert!(error.problem().contains(fix), "{}", error.problem());
    assert!(errors.next().is_none());
}

#[test]
fn a_binding_without_a_session_names_the_fix() {
    let errors = stack(BindingLayer::builder()).build().unwrap_err();
    assert_named(&errors, "with_binding", "call `with_session` as well");
}

#[test]
fn a_binding_that_compares_nothing_is_named_by_the_stack_too() {
    let nothing = BindingLayer::builder()
        .without_network()
        .without_user_agent();
    let stack = stack(nothing).with_session(SessionLayer::builder());
    assert_named(&stack.build().unwrap_err(), "without_network", "leave one");
}

#[test]
fn a_device_header_that_never_comes_is_named() {
    // The perimeter removes what names a caller.
    let header = HeaderName::from_static("x-session-id");
    let binding = BindingLayer::builder().with_device_header(header);
    let stack = stack(binding).with_session(SessionLayer::builder());
    assert_named(
        &stack.build().unwrap_err(),
        "with_binding",
        "name another header",
    );
}
