//! The story of a caller, played over HTTP on loopback: `-- tour`.
//!
//! The server is the one that the example starts otherwise, with a clock that the tour moves,
//! so that hours pass in no time. Each step prints what was sent, what came back, and the
//! reason that the record names. A step that does not go as told ends the tour with an error.

mod client;

use std::{error::Error, net::SocketAddr, time::Duration};

use portcullis::{Clock as _, Secret, api_keys::KeyRing, audit::RecordKind};
use portcullis_testing::{
    audit::RecordingAudit, clock::VirtualClock, identity_provider::IdentityProvider,
};

use crate::{
    agent::Agent,
    agent_routes,
    cli::Options,
    gate,
    issuer::{Issuing, mint},
    tools::Tools,
    tour::client::Client,
};

type Outcome = Result<(), Box<dyn Error>>;

/// What the tour talks to, and moves.
struct Tour {
    client: Client,
    clock: VirtualClock,
    audit: RecordingAudit,
    provider: IdentityProvider,
    resource: String,
    tools: Tools,
    step: u32,
}

/// How strongly somebody authenticates: phishing-resistant (OpenID EAP ACR values).
pub(crate) const STRONG: &str = "phr";

/// Plays the whole story.
pub(crate) async fn play() -> Outcome {
    let mut tour = Tour::start().await?;
    tour.nobody().await?;
    tour.alice_reads().await?;
    tour.alice_pays().await?;
    tour.somebody_else_has_the_token().await?;
    tour.time_goes_by().await?;
    tour.a_stream_meets_its_end().await?;
    println!("\nThat was the tour: {} steps, each as told.", tour.step);
    Ok(())
}

impl Tour {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let resource = format!("http://{address}/");
        let provider = IdentityProvider::new()
            .with_clock(clock.clone())
            .serve()
            .await;
        let issuing = Issuing::Real {
            url: provider.issuer().to_owned(),
        };
        let keys = KeyRing::new("demo", &Secret::new([7; 32]));
        let stack = gate(&resource, address, &Options::default(), &issuing, keys).await?;
        let (gate, handle) = stack
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .build()?;
        handle.ready().await?;
        let agent = Agent {
            clock: std::sync::Arc::new(clock.clone()),
            pause: Duration::ZERO,
            tools: Tools::default(),
        };
        let tools = agent.tools.clone();
        let guarded = gate.guard(agent_routes(agent));
        tokio::spawn(async move { axum::serve(listener, guarded).await });
        Ok(Self {
            client: Client::new(address),
            clock,
            audit,
            provider,
            resource,
            tools,
            step: 0,
        })
    }

    async fn nobody(&mut self) -> Outcome {
        self.chapter("Nobody in particular");
        self.asks(
            "GET /whoami without a token",
            "/whoami",
            None,
            401,
            "credentials_missing",
        )
        .await?;
        let mut forged = self.token("notes.read", None);
        // The last character but one: it changes the signature and nothing else.
        let last = forged.pop();
        let other = if forged.pop() == Some('A') { 'B' } else { 'A' };
        forged.push(other);
        forged.extend(last);
        self.asks(
            "GET /whoami with a token that was tampered with",
            "/whoami",
            Some(&forged),
            401,
            "jwt_signature",
        )
        .await
    }

    async fn alice_reads(&mut self) -> Outcome {
        self.chapter("Alice signs in");
        let token = self.token("notes.read", None);
        self.asks(
            "GET /whoami with her token",
            "/whoami",
            Some(&token),
            200,
            "admitted",
        )
        .await?;
        let answer = self
            .says("she lets the agent search her notes", &token, "search milk")
            .await?;
        self.expects(&answer, "1 note about milk")
    }

    async fn alice_pays(&mut self) -> Outcome {
        self.chapter("Alice steps up");
        let weak = self.token("notes.read", None);
        let answer = self
            .says("she lets it pay", &weak, "pay 500 to bob")
            .await?;
        self.expects(&answer, "insufficient_user_authentication")?;
        self.recorded("acr_insufficient")?;
        let strong = self.token("notes.read", Some(STRONG));
        let what = "she signs in with her passkey, and grants nothing new";
        let answer = self.says(what, &strong, "pay 500 to bob").await?;
        self.expects(&answer, "insufficient_scope")?;
        self.recorded("scope_missing")?;
        let both = self.token("notes.read payments.write", Some(STRONG));
        let answer = self
            .says("she grants payments as well", &both, "pay 500 to bob")
            .await?;
        self.expects(&answer, "sent 500 cents to bob for alice")?;
        self.recorded("permitted")
    }

    async fn somebody_else_has_the_token(&mut self) -> Outcome {
        self.chapter("Somebody else has the token");
        let token = self.token_of("carol", "notes.read", None, Duration::ZERO);
        self.client.device = Some("carol-laptop");
        self.asks(
            "GET /whoami from carol's laptop",
            "/whoami",
            Some(&token),
            200,
            "admitted",
        )
        .await?;
        self.client.device = Some("elsewhere");
        self.asks(
            "GET /whoami with her token, from another device",
            "/whoami",
            Some(&token),
            401,
            "drift_device",
        )
        .await?;
        self.client.device = Some("carol-laptop");
        self.asks(
            "GET /whoami from carol's laptop, which nobody has logged out",
            "/whoami",
            Some(&token),
            200,
            "admitted",
        )
        .await?;
        self.client.device = None;
        Ok(())
    }

    async fn time_goes_by(&mut self) -> Outcome {
        self.chapter("Alice has lunch");
        let token = self.token("notes.read", None);
        self.asks("GET /whoami", "/whoami", Some(&token), 200, "admitted")
            .await?;
        self.waits(Duration::from_secs(16 * 60));
        self.asks(
            "GET /whoami after 16 minutes, with the same token",
            "/whoami",
            Some(&token),
            401,
            "session_idle",
        )
        .await?;
        let again = self.token("notes.read", None);
        self.asks(
            "GET /whoami after she has signed in again",
            "/whoami",
            Some(&again),
            200,
            "admitted",
        )
        .await
    }

    async fn a_stream_meets_its_end(&mut self) -> Outcome {
        self.chapter("A stream meets its end");
        // Long ago: the session is over in a minute, whatever she does.
        let signed_in = crate::ABSOLUTE - Duration::from_secs(60);
        self.waits(Duration::from_secs(3600));
        let token = self.token_of("bob", "notes.read", None, signed_in);
        let mut stream = self.client.chat(&token, "watch milk").await?;
        self.prints(
            "bob, who signed in this morning, lets the agent watch his notes",
            stream.status,
            "admitted",
        );
        self.expects(
            &stream.next().await?.unwrap_or_default(),
            "I keep an eye on it.",
        )?;
        for _ in 0..20 {
            self.expects(
                &stream.next().await?.unwrap_or_default(),
                "1 note about milk",
            )?;
            // Two wait for the clock: the agent, and what looks after the session.
            self.clock.wait_for_timers(2).await;
            self.clock.advance(Duration::from_secs(1));
        }
        println!(
            "   20 seconds later: {} calls of tools so far",
            self.tools.calls()
        );
        self.clock.advance(Duration::from_secs(60));
        let mut last = String::new();
        while let Some(event) = stream.next().await? {
            last = event;
        }
        self.prints(
            "at the deadline the stream ends",
            stream.status,
            &self.reason(),
        );
        self.expects(&last, "session-ended")?;
        self.recorded("session_absolute")?;
        let calls = self.tools.calls();
        for _ in 0..60 {
            self.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        if self.tools.calls() != calls {
            return Err("the agent's tools went on after the session was over".into());
        }
        println!("   a minute later: still {calls} calls, the agent's loop is gone");
        Ok(())
    }
}

/// What the steps are made of.
impl Tour {
    fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    fn token(&self, scopes: &str, acr: Option<&str>) -> String {
        self.token_of("alice", scopes, acr, Duration::ZERO)
    }

    fn token_of(&self, name: &str, scopes: &str, acr: Option<&str>, signed_in: Duration) -> String {
        let at = self.clock.now() - signed_in;
        // Good for long, so that what ends it is the session.
        let token = mint(&self.provider, &self.resource, name, scopes, at)
            .with_lifetime(Duration::from_secs(12 * 3600));
        match acr {
            Some(acr) => token.with_claim("acr", acr).mint(),
            None => token.mint(),
        }
    }

    fn waits(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// One request, its status and its reason.
    async fn asks(
        &mut self,
        what: &str,
        path: &str,
        token: Option<&str>,
        status: u16,
        reason: &str,
    ) -> Outcome {
        drop(self.audit.take());
        let answer = self.client.get(path, token).await?;
        let records = self.audit.records();
        let mut decisions = records
            .iter()
            .filter(|record| record.kind == RecordKind::Decision);
        let found = decisions
            .next()
            .map_or("", |record| record.reason.as_str())
            .to_owned();
        self.prints(what, answer, &found);
        if (answer, &*found) == (status, reason) {
            return Ok(());
        }
        Err(format!("expected {status} {reason}").into())
    }

    /// One message to the agent, and its whole answer.
    async fn says(
        &mut self,
        what: &str,
        token: &str,
        message: &str,
    ) -> Result<String, Box<dyn Error>> {
        drop(self.audit.take());
        let mut stream = self.client.chat(token, message).await?;
        let mut answer = String::new();
        while let Some(event) = stream.next().await? {
            answer.push_str(&event);
        }
        let found = self.reason();
        self.prints(&format!("{what}: \"{message}\""), stream.status, &found);
        for line in answer.lines().filter(|line| line.starts_with("data: ")) {
            println!("      {line}");
        }
        Ok(answer)
    }

    /// The reason of the last record that is not of a request's end.
    fn reason(&self) -> String {
        let records = self.audit.records();
        let mut records = records.iter().rev();
        let last = records.find(|record| record.kind != RecordKind::End);
        last.map_or(String::new(), |record| record.reason.as_str().to_owned())
    }

    fn prints(&mut self, what: &str, status: u16, reason: &str) {
        self.step += 1;
        println!("{:2}. {what}\n   {status} {reason}", self.step);
    }

    fn expects(&self, answer: &str, text: &str) -> Outcome {
        if answer.contains(text) {
            return Ok(());
        }
        Err(format!("expected {text:?} in {answer:?}").into())
    }

    fn recorded(&self, reason: &str) -> Outcome {
        let records = self.audit.records();
        if records
            .iter()
            .any(|record| record.reason.as_str() == reason)
        {
            return Ok(());
        }
        Err(format!("no record says {reason}").into())
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn every_step_is_as_told() {
        super::play().await.unwrap();
    }
}
