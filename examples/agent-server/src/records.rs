//! Where the records go.

use std::{error::Error, path::Path};

use portcullis::audit::log::{AuditLog, Head, Mode, OpenError, verify};

/// A log of all records: nothing is let in before its own is on the disk.
///
/// Its heads are printed. A server that means it sends them to where it cannot take them back.
pub(crate) fn keep(folder: &Path) -> Result<AuditLog, OpenError> {
    AuditLog::builder(folder)
        .with_mode(Mode::Strict)
        .with_head_sink(|head: &Head| tracing::info!("the audit log goes up to: {head}"))
        .open()
}

/// Says whether the records are as they were written.
pub(crate) fn report(folder: &Path, head: Option<Head>) -> Result<(), Box<dyn Error>> {
    let mut verifier = verify(folder);
    if let Some(head) = head {
        verifier = verifier.with_expected_head(head);
    }
    println!("{}", verifier.run()?);
    Ok(())
}
