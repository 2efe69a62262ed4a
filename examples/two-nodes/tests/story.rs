//! The example as it is run, with a Redis of the test's own.

use std::process::Command;

use portcullis_tests::servers;

#[tokio::test]
async fn a_logout_at_one_server_ends_the_streams_of_the_other() {
    let redis = servers::redis().start().await;
    let url = format!("unix://{}/redis.sock", redis.home().display());
    let told = Command::new(env!("CARGO_BIN_EXE_example-two-nodes"))
        .args(["--redis", &url, "--streams", "120"])
        .output()
        .unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    let complained = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}{complained}");
    assert!(
        said.contains("at the first: 120 of 120 with a goodbye"),
        "{said}"
    );
    assert!(
        said.contains("at the second: 120 of 120 with a goodbye"),
        "{said}"
    );
    assert!(said.contains("bob's goes on"), "{said}");
    assert!(said.contains("again: 401"), "{said}");
}

#[test]
fn says_what_it_needs() {
    let told = Command::new(env!("CARGO_BIN_EXE_example-two-nodes"))
        .output()
        .unwrap();
    assert!(!told.status.success());
    let complained = String::from_utf8(told.stderr).unwrap();
    assert!(
        complained.contains("cargo xtask example two-nodes"),
        "{complained}"
    );
}
