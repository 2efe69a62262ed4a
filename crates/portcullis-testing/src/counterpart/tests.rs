use std::{panic::AssertUnwindSafe, path::PathBuf};

use super::*;
use crate::identity_provider::IdentityProvider;

fn shell(script: &str) -> Counterpart {
    Counterpart::new("sh").add_args(["-c", script])
}

async fn complaint(counterpart: Counterpart) -> String {
    let started = tokio::spawn(AssertUnwindSafe(counterpart.start()).0).await;
    *started.unwrap_err().into_panic().downcast().unwrap()
}

#[tokio::test]
async fn runs_until_it_is_dropped() {
    let running = shell("echo ready in $HOME; exec sleep 600")
        .with_ready_line("ready in ")
        .start()
        .await;
    let home = running.home().to_owned();
    assert_eq!(running.ready_line(), format!("ready in {}", home.display()));
    let process = PathBuf::from(format!("/proc/{}", running.process_id()));
    assert!(home.exists() && (process.exists() || !cfg!(target_os = "linux")));
    drop(running);
    assert!(!home.exists() && !process.exists());
}

#[tokio::test]
async fn clears_away_what_it_wants_to_when_it_is_told_to_stop() {
    let folder = std::env::temp_dir().join(format!("portcullis-stop-{}", std::process::id()));
    let script = "trap 'rmdir \"$LEFT\"; exit' TERM; mkdir \"$LEFT\"; echo ready; \
                  while :; do sleep 0.01; done";
    let running = shell(script)
        .add_env("LEFT", folder.display().to_string())
        .with_stop_signal("TERM")
        .with_ready_line("ready")
        .start()
        .await;
    assert!(folder.exists());
    drop(running);
    assert!(!folder.exists());
}

#[tokio::test]
async fn sees_nothing_of_the_environment_of_the_test() {
    let running = shell("env; echo done; exec sleep 600")
        .add_env("GIVEN", "{port}")
        .with_ready_line("done")
        .start()
        .await;
    let output = running.output();
    assert!(
        output.contains(&format!("GIVEN={}\n", running.port())),
        "{output}"
    );
    assert!(!output.contains("CARGO"), "{output}");
}

#[tokio::test]
async fn a_missing_program_says_what_to_do() {
    let missing = Counterpart::new("/nowhere/gatekeeper").with_version_args(["--version"]);
    assert_eq!(
        complaint(missing).await,
        "the program `/nowhere/gatekeeper` is missing: run `cargo xtask test`, which installs it"
    );
}

#[tokio::test]
async fn an_early_end_shows_what_was_printed() {
    let failed = complaint(shell("echo one; echo two >&2; exit 3")).await;
    assert!(
        failed.contains("ended before it was ready (exit status: 3)"),
        "{failed}"
    );
    assert!(
        failed.contains("\n  | one") && failed.contains("\n  | two"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_deadline_passes() {
    let slow = shell("echo waiting; exec sleep 600")
        .with_ready_line("never")
        .with_deadline(Duration::from_millis(200));
    let failed = complaint(slow).await;
    assert!(failed.contains("was not ready within 200ms"), "{failed}");
    assert!(failed.contains("| waiting"), "{failed}");
}

#[tokio::test]
async fn a_taken_port_is_tried_again() {
    let marker = std::env::temp_dir().join(format!("portcullis-taken-{}", std::process::id()));
    let script = format!(
        "if mkdir {0}; then echo 'bind: Address already in use'; exit 1; fi; rmdir {0}; \
         echo ready; exec sleep 600",
        marker.display()
    );
    let running = shell(&script).with_ready_line("ready").start().await;
    assert_eq!(running.ready_line(), "ready");
}

#[tokio::test]
async fn polls_an_address_until_it_answers_well() {
    let idp = IdentityProvider::new().serve().await;
    let running = shell("exec sleep 600")
        .with_ready_url(idp.jwks_uri())
        .start()
        .await;
    assert_eq!(running.ready_line(), "");
    assert!(idp.jwks_requests() > 0);
    let lost = shell("exec sleep 600")
        .with_ready_url(format!("{}/nowhere", idp.issuer()))
        .with_deadline(Duration::from_millis(100));
    assert!(complaint(lost).await.contains("it printed nothing"));
}
