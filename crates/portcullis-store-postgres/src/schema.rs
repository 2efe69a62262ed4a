//! The schema: its name, and the tables and functions in it.

use portcullis_core::{ConfigError, StoreError};
use tokio_postgres::{Client, types::Type};

use crate::problem::{Problem, describe};

/// The version of the schema that this program knows. A change of the files below is another
/// version, with files of its own.
const VERSION: i32 = 2;
/// What is made, by version.
const MIGRATIONS: [(i32, &str); 2] = [
    (
        1,
        concat!(
            include_str!("sql/0001_life.sql"),
            include_str!("sql/0001_sessions.sql"),
            include_str!("sql/0001_revocations.sql"),
            include_str!("sql/0001_replays.sql"),
            include_str!("sql/0001_api_keys.sql"),
        ),
    ),
    (
        2,
        concat!(
            include_str!("sql/0002_life.sql"),
            include_str!("sql/0002_replays.sql"),
            include_str!("sql/0002_quotas.sql"),
        ),
    ),
];
/// By this number those who make tables wait for each other: `portcull` in ASCII.
const LOCK: i64 = 0x706f_7274_6375_6c6c;

/// A schema by its name, which is part of what is asked.
#[derive(Clone, Debug)]
pub(crate) struct Schema(Box<str>);

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self, ConfigError> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_name = (1..=63).contains(&name.len())
            && name.bytes().all(is_plain)
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("pg_");
        match is_name {
            true => Ok(Self(name.into())),
            false => Err(ConfigError::new(
                "with_schema",
                "is not 1 to 63 lower-case letters, digits or `_`, a digit and `pg_` not first",
            )),
        }
    }

    /// The name as it stands in what is asked.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// The channel of its signals: a name of at most 63 bytes, which two schemas do not share.
    pub(crate) fn channel(&self) -> String {
        const SUFFIX: &str = ":signals";
        match self.0.len() + SUFFIX.len() <= 63 {
            true => format!("{}{SUFFIX}", self.0),
            // No short name has a colon first.
            false => format!(":{}", self.0.get(..62).unwrap_or(&self.0)),
        }
    }

    /// A text in which `{schema}` stands for the name.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{schema}", &self.quoted())
    }

    /// All of it as one script, which can be run again at any time.
    pub(crate) fn migrations(&self) -> String {
        let mut script = format!(
            "BEGIN;\nSELECT pg_advisory_xact_lock({LOCK});\nCREATE SCHEMA IF NOT EXISTS {};\n",
            self.quoted()
        );
        script.extend(MIGRATIONS.map(|(_, text)| self.fill(text)));
        script.push_str("COMMIT;\n");
        script
    }

    /// Makes the tables, if they are not there.
    pub(crate) async fn prepare(&self, client: &Client, migrates: bool) -> Result<(), Problem> {
        match self.version(client).await? {
            Some(found) if found.newest >= VERSION => found.check(),
            found if migrates => self.migrate(client, found.map(|found| found.newest)).await,
            Some(found) => Err(Problem::Said(StoreError::new(format!(
                "the schema in postgres has version {}, and this program needs {VERSION}: run the \
                 migrations",
                found.newest
            )))),
            None => Err(Problem::Said(StoreError::new(
                "the schema in postgres is not there: run the migrations",
            ))),
        }
    }

    async fn version(&self, client: &Client) -> Result<Option<Found>, Problem> {
        let table = format!("{}.migrations", self.quoted());
        let asked = "SELECT to_regclass($1) IS NOT NULL";
        let row = client.query_typed_one(asked, &[(&table, Type::TEXT)]).await;
        if !row
            .and_then(|row| row.try_get(0))
            .map_err(|error| describe(&error))?
        {
            return Ok(None);
        }
        let asked =
            format!("SELECT version, readable_since FROM {table} ORDER BY version DESC LIMIT 1");
        let row = client.query_typed_opt(&asked, &[]).await;
        let Some(row) = row.map_err(|error| describe(&error))? else {
            return Ok(None);
        };
        let read = |n| row.try_get(n).map_err(|error| describe(&error));
        Ok(Some(Found {
            newest: read(0)?,
            readable_since: read(1)?,
        }))
    }

    /// All of it or nothing: one transaction, for which all others wait who want the same.
    async fn migrate(&self, client: &Client, before: Option<i32>) -> Result<(), Problem> {
        let run = async |text: String| {
            let done = client.batch_execute(&text).await;
            done.map_err(|error| describe(&error))
        };
        run(format!(
            "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL client_min_messages = warning; \
             SELECT pg_advisory_xact_lock({LOCK})"
        ))
        .await?;
        // Another one may have made it meanwhile.
        let found = self.version(client).await?;
        let newest = found.as_ref().map(|found| found.newest);
        if newest.is_none() && before.is_none() {
            // Only if it is not there: whoever may not make one may still use it.
            let name = &self.0;
            run(format!(
                "DO $$ BEGIN IF to_regnamespace('\"{name}\"') IS NULL THEN \
                 CREATE SCHEMA \"{name}\"; END IF; END $$"
            ))
            .await?;
        }
        for (version, text) in MIGRATIONS {
            if newest.is_none_or(|newest| newest < version) {
                run(self.fill(text)).await?;
            }
        }
        run("COMMIT".to_owned()).await?;
        found.map_or(Ok(()), |found| found.check())
    }
}

/// What a database says of its schema.
struct Found {
    newest: i32,
    readable_since: i32,
}

impl Found {
    fn check(&self) -> Result<(), Problem> {
        if self.readable_since <= VERSION {
            return Ok(());
        }
        Err(Problem::Said(StoreError::new(format!(
            "the schema in postgres has version {}, which no program can use that knows version \
             {VERSION} alone: update this one",
            self.newest
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_needs_no_quotes() {
        for name in ["portcullis", "_1", &"a".repeat(63)] {
            assert!(Schema::new(name).is_ok(), "{name}");
        }
        for name in ["", "1a", "A", "a\"b", "a.b", "pg_a", "a-b", &"a".repeat(64)] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_last_migration_is_the_version_that_is_known() {
        assert_eq!(
            MIGRATIONS.map(|(version, _)| version).last(),
            Some(&VERSION)
        );
        let script = Schema::new("own").unwrap().migrations();
        assert!(!script.contains("{schema}"));
        assert!(script.contains("\"own\".sessions"));
    }
}
