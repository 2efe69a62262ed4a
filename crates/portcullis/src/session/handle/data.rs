//! What a handler keeps in a session.

use std::sync::Arc;

use portcullis_core::{SessionData, StoreError};

use super::{Inner, Session};

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
    /// The store cannot say, or the session is over.
    pub async fn get<T: SessionValue>(&self) -> Result<Option<T>, StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        let sessions = shared.store.load(keys.owner).await?;
        let now = shared.time.now();
        let record = sessions.get(keys.session).filter(|record| record.id == *id);
        let record = record.filter(|record| record.over(now).is_none());
        let data = record.ok_or_else(over)?.data.as_ref();
        Ok(data.and_then(|data| T::from_bytes(data.get(T::NAME)?)))
    }

    /// Keeps a value in the session, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did, the session is over, or it would keep more than
    /// 16 KiB.
    pub async fn put<T: SessionValue>(&self, value: &T) -> Result<(), StoreError> {
        let bytes = value.to_bytes();
        self.change_data(|data| data.insert(T::NAME, &*bytes)).await
    }

    /// Forgets a value.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did, or the session is over.
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
        let mut is_too_much = false;
        let changed = shared.change(keys.owner, keys.session, *id, |record| {
            let mut data = record.data.as_deref().cloned().unwrap_or_default();
            change(&mut data);
            is_too_much = data.size() > MAX_DATA;
            if !is_too_much {
                record.data = (!data.is_empty()).then(|| Arc::new(data));
            }
        });
        match (changed.await?, is_too_much) {
            (true, false) => Ok(()),
            (true, true) => Err(StoreError::new("a session keeps at most 16 KiB")),
            (false, _) => Err(over()),
        }
    }
}

fn over() -> StoreError {
    StoreError::new("the session is over")
}
