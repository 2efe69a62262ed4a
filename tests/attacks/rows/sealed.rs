//! What a store holds is written, moved, cut short and set back: S16.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, Exchange, RequestBody, Secret,
    audit::RecordKind,
    session::{OwnerKey, SessionData, SessionRecord, SessionValue, Sessions, StoredData},
};
use portcullis_tests::{fixtures::short_sessions, kept_bytes::KeptBytes, patience::settle};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::Harness,
};

/// What must be found nowhere but in answers to its owner.
const CANARY: &str = "canary-of-alice";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S16", values).await;
}

/// What the handler keeps.
struct Note(String);

impl SessionValue for Note {
    const NAME: &'static str = "note-of-canary";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// `/keep` keeps the caller's own note, and everything else reads it. Believes whatever it is told,
/// and takes an error for nothing: the layer must not.
async fn notes(request: Request<RequestBody<Full<Bytes>>>) -> Result<Response<String>, Infallible> {
    let exchange = Exchange::of(request.extensions());
    let session = exchange.and_then(Exchange::session);
    let principal = exchange.and_then(Exchange::principal);
    let (Some(session), Some(principal)) = (session, principal) else {
        return Ok(Response::new("nobody".to_owned()));
    };
    if request.uri().path() == "/keep" {
        let note = Note(format!("canary-of-{}", principal.subject()));
        let _ = session.put(&note).await;
    }
    let note = session.get::<Note>().await.ok().flatten();
    Ok(Response::new(
        note.map_or("nothing".to_owned(), |note| note.0),
    ))
}

struct World {
    guard: Guard,
    store: KeptBytes,
    alice: String,
    bob: String,
}

impl World {
    /// Alice has a session with a note, and bob has one.
    async fn new() -> Self {
        let store = KeptBytes::default();
        let mut settings = Settings::fixed();
        settings.session = Some(
            short_sessions()
                .with_store(store.clone())
                .with_key(Secret::new([7; 16])),
        );
        let guard = settings.build();
        let token = |name| {
            guard
                .idp
                .token(name)
                .with_audience(RESOURCE)
                .with_claim("auth_time", guard.clock.now().unix_seconds())
                .mint()
        };
        let (alice, bob) = (token("alice"), token("bob"));
        let world = Self {
            guard,
            store,
            alice,
            bob,
        };
        let _ = world.ask("/keep", &world.alice).await;
        let _ = world.ask("/keep", &world.bob).await;
        let _ = world.guard.audit.take();
        world
    }

    async fn ask(&self, path: &str, token: &str) -> (StatusCode, String) {
        let service = self.guard.gate.layer(tower::service_fn(notes));
        let Ok(response) = service.oneshot(self.guard.bearer_at(path, token)).await;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        settle().await;
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// The row in which a note of this length is sealed is found by who writes it anew.
    async fn owner_of(&self, token: &str) -> Option<OwnerKey> {
        let before = self.store.rows();
        let _ = self.ask("/keep", token).await;
        let rows = self.store.rows();
        let mut changed = rows.iter().filter(|row| !before.contains(row));
        changed.next().map(|(owner, _)| *owner)
    }

    /// The one record of an owner.
    fn record(&self, owner: OwnerKey) -> Option<SessionRecord> {
        let rows = self.store.rows();
        let (_, bytes) = rows.into_iter().find(|(found, _)| *found == owner)?;
        Sessions::from_bytes(&bytes).ok()?.records.pop()
    }

    /// Writes into the row of an owner, and says what alice then gets.
    async fn after(
        &self,
        owner: OwnerKey,
        token: &str,
        change: impl FnOnce(&mut SessionRecord),
    ) -> Result<(), String> {
        self.store.edit(owner, |sessions| {
            if let Some(record) = sessions.records.last_mut() {
                change(record);
            }
        });
        let _ = self.guard.audit.take();
        let (status, body) = self.ask("/read", token).await;
        let refused: Vec<_> = self
            .guard
            .audit
            .take()
            .into_iter()
            .filter(|record| record.kind == RecordKind::Decision && record.status.is_some())
            .map(|record| (record.reason.as_str(), record.status))
            .collect();
        let unavailable = Some(StatusCode::SERVICE_UNAVAILABLE);
        match (status.as_u16(), refused.as_slice()) {
            (503, [("session_data_unreadable", status)]) if *status == unavailable => Ok(()),
            _ => Err(format!("answered {status} {body}, recorded as {refused:?}")),
        }
    }
}

async fn values(harness: &mut Harness) {
    let world = World::new().await;
    let (Some(alice), Some(bob)) = (
        world.owner_of(&world.alice).await,
        world.owner_of(&world.bob).await,
    ) else {
        return harness.fail("set-up", "nothing is kept");
    };
    let (Some(of_alice), Some(of_bob)) = (world.record(alice), world.record(bob)) else {
        return harness.fail("set-up", "nothing can be read");
    };
    for (name, token) in [("alice", &world.alice), ("bob", &world.bob)] {
        let (_, note) = world.ask("/read", token).await;
        if note != format!("canary-of-{name}") {
            harness.fail("what was kept is read", &note);
        }
    }
    let dump = world.store.rows().into_iter().flat_map(|(owner, bytes)| {
        let mut row = owner.as_u128().to_be_bytes().to_vec();
        row.extend(bytes);
        row
    });
    let dump = String::from_utf8_lossy(&dump.collect::<Vec<_>>()).into_owned();
    let told = [CANARY, Note::NAME, "alice", "bob", "idp.example"];
    let told: Vec<_> = told.iter().filter(|word| dump.contains(**word)).collect();
    harness.judged(
        "a dump says who is in or what is kept",
        match told.is_empty() {
            true => Ok(()),
            false => Err(format!("{told:?}")),
        },
    );

    let sealed = |record: &SessionRecord| match record.data.as_deref() {
        Some(StoredData::Sealed(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    };
    let stored = |bytes: Vec<u8>| Some(Arc::new(StoredData::Sealed(bytes.into())));
    let own = sealed(&of_alice);
    let mut flipped = own.clone();
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    let with = |at: usize, byte: u8| {
        let mut other = own.clone();
        if let Some(found) = other.get_mut(at) {
            *found = byte;
        }
        other
    };
    let mut forged = SessionData::new();
    forged.insert(Note::NAME, *b"canary-of-the-attacker");
    let written = [
        (
            "a value that is not sealed",
            Some(Arc::new(StoredData::Plain(forged))),
        ),
        ("a value of bob's session", of_bob.data.clone()),
        ("a value with one bit turned", stored(flipped)),
        (
            "a value that is cut short",
            stored(own.iter().copied().take(own.len() / 2).collect()),
        ),
        ("a value without a byte", stored(Vec::new())),
        ("a value of a later version", stored(with(0, 2))),
        (
            "a value of another key",
            stored(with(1, own.get(1).map_or(0, |byte| byte ^ 1))),
        ),
    ];
    for (name, data) in written {
        let was = world.record(alice).and_then(|record| record.data);
        let outcome = world
            .after(alice, &world.alice, |record| record.data = data)
            .await;
        harness.judged(name, outcome);
        world.store.edit(alice, |sessions| {
            if let Some(record) = sessions.records.last_mut() {
                record.data = was;
            }
        });
        let (_, note) = world.ask("/read", &world.alice).await;
        if note != CANARY {
            harness.fail(name, &format!("afterwards there is {note}"));
        }
    }
    let outcome = world
        .after(alice, &world.alice, |record| {
            record.ends_at = record.ends_at + std::time::Duration::from_secs(86_400);
        })
        .await;
    harness.judged("a session that is made longer keeps its value", outcome);

    set_back(harness).await;
    of_later_version(harness).await;
}

/// The value of a session that is over, in the one that came after it.
async fn set_back(harness: &mut Harness) {
    let world = World::new().await;
    let Some(owner) = world.owner_of(&world.alice).await else {
        return harness.fail("set-up", "nothing is kept");
    };
    let old = world.record(owner).and_then(|record| record.data);
    let _ = world
        .guard
        .handle
        .end_sessions(crate::guard::ISSUER, "alice")
        .await;
    world.guard.clock.advance(std::time::Duration::from_secs(5));
    let later = world
        .guard
        .token()
        .with_claim("auth_time", world.guard.clock.now().unix_seconds())
        .mint();
    let (_, note) = world.ask("/read", &later).await;
    if note != "nothing" {
        harness.fail("a new session begins with nothing", &note);
    }
    let outcome = world.after(owner, &later, |record| record.data = old).await;
    harness.judged("a value of the session before", outcome);
}

/// Bytes that a later version has written are an error, and stay as they are.
async fn of_later_version(harness: &mut Harness) {
    let world = World::new().await;
    let rows = world.store.rows();
    let later = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if let Some(version) = bytes.first_mut() {
            *version = 3;
        }
        bytes
    };
    for (owner, bytes) in &rows {
        world.store.write(*owner, later(bytes));
    }
    for path in ["/read", "/keep"] {
        let (status, body) = world.ask(path, &world.alice).await;
        let is_kept = rows.iter().all(|(owner, bytes)| {
            let row = (*owner, later(bytes));
            world.store.rows().contains(&row)
        });
        harness.judged(
            &format!("sessions of a later version, {path}"),
            match (status.as_u16(), is_kept) {
                (503, true) => Ok(()),
                _ => Err(format!("answered {status} {body}, kept: {is_kept}")),
            },
        );
    }
    for (owner, bytes) in rows {
        world.store.write(owner, bytes);
    }
    let (_, note) = world.ask("/read", &world.alice).await;
    if note != CANARY {
        harness.fail("what was there before is read", &note);
    }
}
