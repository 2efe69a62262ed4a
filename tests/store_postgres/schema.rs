//! The schema: made by many at once, by an operator, and by a newer program.

use futures_util::future::join_all;
use portcullis_core::SessionStore as _;
use portcullis_store_postgres::{ConnectError, Postgres};
use portcullis_tests::stores::{
    Place as _,
    kept::{OWNER, assert_kept, fill},
    postgres::PostgresServer,
};

fn said(refused: Result<Postgres, ConnectError>) -> String {
    let error = refused.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn eight_clients_at_once_make_one_schema() {
    let server = PostgresServer::start().await;
    let clients = join_all((0..8).map(|_| server.stores())).await;
    fill(&clients[0]).await;
    for client in &clients {
        assert_kept(client).await;
    }
    let made = server.say("SELECT version FROM migrations").await;
    assert_eq!(made, "1 2");
}

#[tokio::test]
async fn a_newer_schema_is_used_by_an_older_program_only_if_it_says_so() {
    let server = PostgresServer::start().await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    server
        .say("INSERT INTO migrations (version, readable_since) VALUES (3, 1)")
        .await;
    assert_kept(&server.stores().await).await;
    server
        .say("INSERT INTO migrations (version, readable_since) VALUES (4, 3)")
        .await;
    assert_eq!(
        said(server.builder().connect().await),
        "the schema in postgres has version 4, which no program can use that knows version 2 \
         alone: update this one"
    );
    let error = server.lazy_client().sessions().load(OWNER).await;
    assert!(error.unwrap_err().to_string().contains("version 4"));
}

#[tokio::test]
async fn an_operator_makes_the_schema_and_a_program_needs_no_more_than_to_use_it() {
    let server = PostgresServer::start().await;
    let role = format!("plain_{}", server.schema);
    let url = server.url().replace("postgres@", &format!("{role}@"));
    let connect = || server.builder_at(&url).without_migrations().connect();
    server.say(&format!("CREATE ROLE {role} LOGIN")).await;
    assert_eq!(
        said(connect().await),
        "the schema in postgres is not there: run the migrations"
    );
    let script = Postgres::migrations_of(&server.schema).unwrap();
    for _ in 0..2 {
        server.say(&script).await;
    }
    let schema = &server.schema;
    server
        .say(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ))
        .await;
    let postgres = connect().await.unwrap();
    fill(&postgres).await;
    assert_kept(&postgres).await;
    // Nor does one that would make it find anything to make.
    assert_kept(&server.builder_at(&url).connect().await.unwrap()).await;
    server.say("DELETE FROM migrations").await;
    assert!(said(connect().await).contains("run the migrations"));
    assert!(Postgres::migrations().unwrap().contains("\"portcullis\""));
    assert!(Postgres::migrations_of("a b").is_err());
}

#[tokio::test]
async fn two_schemas_see_nothing_of_each_other() {
    let server = PostgresServer::start().await;
    let one = server.stores().await;
    fill(&one).await;
    let other = PostgresServer::on(server.cluster.clone()).stores().await;
    assert_eq!(other.sessions().load(OWNER).await.unwrap().records, []);
    fill(&other).await;
    assert_kept(&one).await;
}

/// What a program of the first version has made and kept is brought up to date, and it goes on.
#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_with_all_that_is_in_it() {
    let server = PostgresServer::start().await;
    let before = server.stores().await;
    fill(&before).await;
    server
        .say("DROP TABLE quotas; DELETE FROM migrations WHERE version > 1")
        .await;
    assert_kept(&before).await;
    let after = server.stores().await;
    assert_kept(&after).await;
    assert_eq!(server.say("SELECT count(*) FROM quotas").await, "0");
    assert_eq!(server.say("SELECT version FROM migrations").await, "1 2");
    assert_kept(&before).await;
}
