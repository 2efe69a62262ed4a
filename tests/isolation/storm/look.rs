//! What a handler finds, as it says it in its answer.

use portcullis::{
    Exchange, Principal,
    session::{Session, SessionValue, StoreError},
};
use serde_json::{Value, json};

/// The one thing that everybody keeps, under one name.
pub(crate) struct Note(pub(crate) String);

impl SessionValue for Note {
    const NAME: &'static str = "note";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// What was found at one moment: one line of an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Look {
    pub(crate) request: String,
    /// By the principal that the handler took at the beginning.
    pub(crate) held: Option<String>,
    /// By the exchange, now.
    pub(crate) subject: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) note: Option<String>,
}

impl Look {
    /// Looks at everything that there is.
    pub(crate) async fn at(
        exchange: &Exchange,
        held: Option<&Principal>,
        session: Option<&Session>,
    ) -> Result<Self, StoreError> {
        let principal = exchange.principal();
        let note = match session {
            Some(session) => session.get::<Note>().await?,
            None => None,
        };
        Ok(Self {
            request: exchange.id().to_string(),
            held: held.map(|held| held.subject().to_owned()),
            subject: principal.map(|principal| principal.subject().to_owned()),
            client: principal.and_then(|principal| principal.client().map(str::to_owned)),
            session: exchange.session().map(|session| session.id().to_string()),
            note: note.map(|note| note.0),
        })
    }

    pub(crate) fn to_line(&self) -> String {
        let Self {
            request,
            held,
            subject,
            client,
            session,
            note,
        } = self;
        format!(
            "{}\n",
            json!([request, held, subject, client, session, note])
        )
    }

    /// The whole lines of an answer. `None` if one of them is something else.
    pub(crate) fn parse(text: &str) -> Option<Vec<Self>> {
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(Self::from_line).collect()
    }

    fn from_line(line: &str) -> Option<Self> {
        let Ok(Value::Array(parts)) = serde_json::from_str(line) else {
            return None;
        };
        let text = |n: usize| parts.get(n)?.as_str().map(str::to_owned);
        Some(Self {
            request: text(0)?,
            held: text(1),
            subject: text(2),
            client: text(3),
            session: text(4),
            note: text(5),
        })
    }
}
