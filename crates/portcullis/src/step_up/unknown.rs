//! Operations that nobody has named.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use portcullis_core::RequestId;

use crate::audit::Escaped;

/// How many names are logged. A model can make up any number of them.
const MOST: usize = 64;

/// Says once which operations were asked for and are not named: most often one that a
/// developer has added to a handler and forgotten here.
#[derive(Default)]
pub(crate) struct UnknownOperations(Mutex<BTreeSet<String>>);

impl UnknownOperations {
    pub(crate) fn report(&self, operation: &str, id: RequestId) {
        let name = Escaped(operation).to_string();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&name) || known.len() >= MOST {
            return;
        }
        let is_last = known.len() + 1 == MOST;
        known.insert(name.clone());
        drop(known);
        tracing::error!(
            target: "portcullis",
            request_id = %id,
            operation = name,
            "`step_up` knows no operation `{name}`, so it is refused; name it with `require`, in \
             the outermost `step_up`{}",
            if is_last { " (no further names are logged)" } else { "" },
        );
    }
}

impl fmt::Debug for UnknownOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownOperations").finish_non_exhaustive()
    }
}
