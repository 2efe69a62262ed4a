//! Settings that cannot work and have a secret in them.

use portcullis_tests::canaries::Canaries;

use crate::agent::Agent;

/// Starts an agent with each of them. It says what is wrong, and ends.
pub(crate) fn play(canaries: &mut Canaries) {
    for shape in [
        ["--issuer", "http://alice:{}@127.0.0.1:9/"],
        ["--issuer", "https://{}@idp.example"],
        ["--issuer", "https://alice:{}@idp.example/?x=1"],
        ["--issuer", "https://idp.example/?client_secret={}"],
        ["--issuer", "https://idp.example/#{}"],
        ["--issuer", "alice:{}@idp.example"],
        ["--issuer", "https://alice:{}@idp .example"],
        ["--resource", "https://alice:{}@agent.example/"],
        ["--resource", "https://agent.example/?token={}"],
        ["--resource", "https://agent.example/#{}"],
        ["--resource", "alice:{}@agent.example"],
        ["--allow-origin", "https://alice:{}@app.example"],
        ["--allow-origin", "https://app.example/?token={}"],
        ["--allow-origin", "\n{}"],
        ["--listen", "alice:{}@127.0.0.1:0"],
        ["--log", "{}"],
        ["--token={}", "x"],
        ["--issuer={}", "x"],
    ] {
        let secret = canaries.plant(&format!("the setting {shape:?}"));
        let arguments = shape.map(|word| word.replace("{}", &secret));
        let Err(left) = Agent::start(&arguments.each_ref().map(String::as_str)) else {
            panic!("{shape:?} works");
        };
        assert!(
            left.status.is_some_and(|status| !status.success()),
            "{shape:?}"
        );
        let said = String::from_utf8_lossy(&left.stderr);
        assert!(said.contains("Error"), "{shape:?}: {said}");
        left.search(canaries);
    }
}
