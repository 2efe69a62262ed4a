//! What receivers have done while they attend.

use std::sync::Arc;

use http::Method;
use portcullis_core::{CarryingOut, Notice, NoticeDesk, Outcome, ReasonCode, Record, RecordKind};

use super::LAYER;
use crate::{exchange::Shared, reason, revocation::Revoker};

/// The desk of one receiver.
pub(crate) struct Desk {
    pub(super) revoker: Revoker,
    pub(super) shared: Arc<Shared>,
    /// The name of the receiver.
    pub(super) name: &'static str,
}

impl NoticeDesk for Desk {
    fn carry_out<'a>(&'a self, notices: &'a [Notice], reason: ReasonCode) -> CarryingOut<'a> {
        Box::pin(async move {
            let carried_out = self.revoker.carry_out(notices).await;
            match &carried_out {
                Ok(()) => self.report(Outcome::Answered, reason),
                Err(_) => self.report(Outcome::Failed, reason::NOTICE_STORE_UNAVAILABLE),
            }
            carried_out
        })
    }

    fn report(&self, outcome: Outcome, reason: ReasonCode) {
        let at = self.shared.clock.now();
        let id = self.shared.ids.next(at);
        let mut record = Record::new(id, at, outcome, LAYER, reason, &Method::POST, "");
        record.kind = RecordKind::Notice;
        record.authenticator = Some(self.name);
        self.shared.recorder.write_event(&record);
    }
}
