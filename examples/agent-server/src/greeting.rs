//! What the user is told at the start.

use std::net::SocketAddr;

use portcullis::Gate;

use crate::issuer::Issuing;

/// Prints what stands in the gate and how to call through it.
pub(crate) fn print(gate: &Gate, address: SocketAddr, issuing: &Issuing, key: &str) {
    let base = format!("http://{address}/");
    println!("an agent behind a gate, at {base}\n");
    println!("  slot        writes                                              refuses with");
    for slot in gate.slots() {
        let statuses: Vec<_> = slot.refuses_with().iter().map(u16::to_string).collect();
        println!(
            "  {:<11} {:<51} {}",
            slot.name(),
            slot.writes(),
            statuses.join(" ")
        );
    }
    println!("\ntokens are of {}", issuing.url());
    println!(
        "resource metadata at {}\n",
        gate.metadata_url().unwrap_or("no address")
    );

    println!("# nobody in particular: 401, and where to get a token");
    println!("curl -i {base}whoami\n");
    println!("# what a client reads next");
    println!("curl -s {base}.well-known/oauth-protected-resource\n");
    match issuing.token() {
        Some(token) => {
            println!("# alice, for some minutes");
            println!("TOKEN={token}\n");
        }
        None => println!("# put a token of your provider into TOKEN\n"),
    }
    println!("curl -s -H \"Authorization: Bearer $TOKEN\" {base}whoami\n");
    println!("# the answer streams");
    println!(
        "curl -sN -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \
         -d '{{\"message\": \"what is in my notes\"}}' {base}chat\n"
    );
    println!("# an application with an API key");
    println!("curl -s -H 'Authorization: Bearer {key}' {base}whoami\n");
    println!("# how often alice was here in this session; with a store, also before a restart");
    println!("curl -s -X POST -H \"Authorization: Bearer $TOKEN\" {base}visits\n");
    println!("# she leaves: her token opens nothing any more, here or after a restart");
    println!("curl -i -X POST -H \"Authorization: Bearer $TOKEN\" {base}logout\n");
    println!("# open to everybody");
    println!("curl -s {base}health\n");
}
