//! A storm of fewer callers at two servers that share each kind of stores, and an end of some of
//! them: nobody is in another's session, finds what is another's, or is out because another is.

use std::{collections::BTreeMap, time::Duration};

use http_body_util::BodyExt as _;
use portcullis_tests::{
    patience::until,
    stores::{Place, memory::InMemory, postgres::PostgresServer, redb::InFile, redis::RedisServer},
    table_auth::ISSUER,
    wire::Client,
};
use tokio::task::JoinHandle;

use super::{
    by_seed,
    driver::{Entry, drive, made},
    invariants::check,
    look::Look,
    plan::{Act, End, How, Leave, Line, Login, PRINCIPALS, Plan, Sender, Stage, Step},
    runtime,
    server::World,
    told, was_a_storm,
};

/// So many principals, each with two sessions.
const CALLERS: usize = 120;
/// Every so many of them is ended.
const OUT: usize = 5;
/// So many have something running meanwhile.
const RUNNING: usize = 20;

macro_rules! nobody_is_somebody_else_at {
    ($($name:ident: $place:ty;)*) => {$(
        #[test]
        fn $name() {
            by_seed(weather::<$place>);
        }
    )*};
}

nobody_is_somebody_else_at! {
    memory: InMemory;
    redb: InFile;
    redis: RedisServer;
    postgres: PostgresServer;
}

fn weather<P: Place>(seed: u64) -> Result<(), String> {
    let outcome = runtime().block_on(async {
        let place = P::start().await;
        let world = World::at(&place).await;
        let (mut entries, opened) = drive(&world, &few(Plan::storm(seed)), "storm").await;
        entries.extend(drive(&world, &few(Plan::calm()), "calm").await.0);
        let history = told(&world, entries).await;
        check(&history)?;
        was_a_storm(&history, opened, 3)?;
        ends_are_of_whoever_was_ended(&place, &world, &history.entries).await
    });
    outcome.map_err(|problem| format!("in the storm of seed {seed}: {problem}"))
}

/// The part of a plan that the first callers have.
fn few(mut plan: Plan) -> Plan {
    plan.scripts
        .retain(|(login, _)| login.0 % PRINCIPALS < CALLERS);
    plan
}

fn is_ended(login: Login) -> bool {
    (login.0 % PRINCIPALS).is_multiple_of(OUT)
}

/// Some are ended by either server while something of theirs and of others runs at the other one.
async fn ends_are_of_whoever_was_ended<P: Place>(
    place: &P,
    world: &World,
    before: &[Entry],
) -> Result<(), String> {
    let mut running = Vec::new();
    for n in 0..RUNNING {
        // Who is ended by one server runs at the other one.
        let server = &world.servers[(n / OUT + 1) % 2];
        let client = Client::http2(server.address()).await.unwrap();
        running.push((Login(n), held(world, client, Login(n)).await));
    }
    for n in (0..CALLERS).step_by(OUT) {
        let handle = &world.handles[(n / OUT) % 2];
        let ended = handle.end_sessions(ISSUER, &Login(n).subject()).await;
        let ended = ended.map_err(|error| error.to_string())?;
        if ended == 0 {
            return Err(format!("{:?} was not in", Login(n)));
        }
    }
    until("the end of all that runs of theirs", async || {
        place.clock().advance(Duration::from_secs(1));
        running
            .iter()
            .all(|(login, task)| task.is_finished() || !is_ended(*login))
    })
    .await;
    for (login, task) in running {
        if !is_ended(login) {
            if task.is_finished() {
                return Err(format!("{login:?} was ended as well"));
            }
            task.abort();
            continue;
        }
        let (status, text) = task.await.map_err(|error| error.to_string())?;
        if status != 401 || text.contains("caller") {
            return Err(format!("{login:?} was answered {status}: {text}"));
        }
    }
    let (after, _) = drive(world, &few(Plan::calm()), "after").await;
    let session = |entry: &Entry| {
        let looks = Look::parse(&entry.seen.text).unwrap_or_default();
        looks.into_iter().find_map(|look| look.session)
    };
    let known: BTreeMap<Login, String> = before
        .iter()
        .filter(|entry| entry.step.sender == Sender::Owner && entry.seen.status == Some(200))
        .filter_map(|entry| Some((entry.login, session(entry)?)))
        .collect();
    for entry in &after {
        let (status, found) = (entry.seen.status, session(entry));
        let is_right = match is_ended(entry.login) {
            true => status == Some(401) && !entry.seen.text.contains("caller"),
            false => {
                status == Some(200) && found.is_some() && found.as_ref() == known.get(&entry.login)
            }
        };
        if !is_right {
            return Err(format!("after the end of others or of his own: {entry:?}"));
        }
    }
    Ok(())
}

/// A request of somebody, in whose handler it waits for ever.
async fn held(world: &World, mut client: Client, login: Login) -> JoinHandle<(u16, String)> {
    let label = format!("running.{}", login.0);
    let step = Step {
        sender: Sender::Owner,
        act: Act::Read,
        how: How::Awaiting,
        end: End::Left(Leave::WhileHeld(Stage::BeforeTheAct)),
        line: Line::Http1,
    };
    let told = world.known.told(&label);
    let request = made(login, &step, &label, "");
    let task = tokio::spawn(async move {
        let response = client.open(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    });
    told.await.unwrap();
    task
}
