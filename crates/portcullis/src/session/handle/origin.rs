//! Where a session came from, for the `binding` layer.

use std::num::NonZeroU64;

use portcullis_core::{BindingReference, Check, StoreError};

use super::{Inner, Session};

impl Session {
    /// Where it came from, as it stood in the store when this request came.
    pub(crate) fn binding(&self) -> &BindingReference {
        &self.0.binding
    }

    /// A mark of something that is compared within this session.
    pub(crate) fn mark<'a>(
        &self,
        label: &str,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> NonZeroU64 {
        let Inner { shared, keys, .. } = &*self.0;
        shared.keying.mark(keys.session, label, values)
    }

    /// Whether the store answers at once, and so may be told something on the way of a request.
    pub(crate) fn is_at_hand(&self) -> bool {
        let Inner { shared, keys, .. } = &*self.0;
        matches!(shared.store.check(keys.owner, keys.session), Check::Done(_))
    }

    /// Changes where it came from. Says whether the session still lives.
    pub(crate) async fn change_binding(
        &self,
        mut change: impl FnMut(&mut BindingReference) + Send,
    ) -> Result<bool, StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        shared
            .change_binding(keys, *id, |record| change(&mut record.binding))
            .await
    }

    /// Whether what is known of it was kept from an earlier answer of the store.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.source.at().is_some()
    }

    /// Where it came from, as it stands in the store. `None` if it is over.
    pub(crate) async fn look_at_binding(&self) -> Result<Option<BindingReference>, StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        let sessions = shared.store.load(keys.owner).await?;
        let found = sessions.get(keys.session);
        if shared.over(found, *id).is_some() {
            shared.forget(keys.owner);
            return Ok(None);
        }
        Ok(found.map(|record| record.binding))
    }
}
