//! What a handler keeps in a session.

use portcullis_core::{SessionData, StoreError};

use super::{Inner, Session, over};

/// What a handler keeps in a session: a value that can be written as bytes.
///
/// ```
/// use portcullis::session::SessionValue;
///
/// struct Basket(Vec<String>);
///
/// impl SessionValue for Basket {
///     const NAME: &'static str = "basket";
///
///     fn to_bytes(&self) -> Vec<u8> {
///         self.0.join("\n").into_bytes()
///     }
///
///     fn from_bytes(bytes: &[u8]) -> Option<Self> {
///         let text = std::str::from_utf8(bytes).ok()?;
///         Some(Self(text.lines().map(str::to_owned).collect()))
///     }
/// }
/// ```
pub trait SessionValue: Sized {
    /// What it is kept under, once for each name.
    const NAME: &'static str;

    /// The value as bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// The value again. `None` if these bytes are none, such as those of an older version.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// The most that a session keeps, names included.
const MAX_DATA: usize = 16 * 1024;

impl Session {
    /// What is kept in the session.
    ///
    /// # Errors
    ///
    /// The store cannot say, the session is over, or what the store has is not what was put there.
    /// Of the last, the answer to the request is 503, whatever the handler says.
    pub async fn get<T: SessionValue>(&self) -> Result<Option<T>, StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        let sessions = shared.store.load(keys.owner).await?;
        let now = shared.time.now();
        let record = sessions.get(keys.session).filter(|record| record.id == *id);
        let record = record.filter(|record| record.over(now).is_none());
        let record = record.ok_or_else(over)?;
        let payload = self.open(record)?;
        Ok(payload.data.get(T::NAME).and_then(T::from_bytes))
    }

    /// Keeps a value in the session, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did, the session is over, it would keep more than 16 KiB, or
    /// what is there already cannot be opened: as for [`get`](Self::get).
    pub async fn put<T: SessionValue>(&self, value: &T) -> Result<(), StoreError> {
        let bytes = value.to_bytes();
        self.change_data(|data| data.insert(T::NAME, &*bytes)).await
    }

    /// Forgets a value.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did, the session is over, or what is there cannot be opened:
    /// as for [`get`](Self::get).
    pub async fn remove<T: SessionValue>(&self) -> Result<(), StoreError> {
        self.change_data(|data| {
            data.remove(T::NAME);
        })
        .await
    }

    async fn change_data(
        &self,
        change: impl Fn(&mut SessionData) + Send + Sync,
    ) -> Result<(), StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        let changed = shared.try_change(keys.owner, keys.session, *id, |record| {
            let mut payload = self.open(record)?;
            change(&mut payload.data);
            if payload.data.size() > MAX_DATA {
                return Err(StoreError::new("a session keeps at most 16 KiB"));
            }
            shared.seal(keys.owner, record, &payload)
        });
        if changed.await? { Ok(()) } else { Err(over()) }
    }
}
