//! Where the records go.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use portcullis::audit::log::{AuditLog, Head, HeadFile, HeadSink as _, Mode, VerifyError, verify};

/// A log of all records: nothing is let in before its own is on the disk.
///
/// Its last head is kept beside the folder, and each is printed. A server that means it keeps them
/// on another disk, or sends them to where it cannot take them back.
pub(crate) fn keep(folder: &Path) -> Result<AuditLog, Box<dyn Error>> {
    let path = beside(folder)?;
    let kept = HeadFile::new(&path);
    let mut builder = AuditLog::builder(folder)
        .with_mode(Mode::Strict)
        .with_head_sink(move |head: &Head| {
            kept.remember(head);
            tracing::info!("the audit log goes up to: {head}");
        });
    match HeadFile::read(&path)? {
        Some(head) => builder = builder.with_expected_head(head),
        // The first start: there is no head yet, and no log either.
        None if matches!(verify(folder).run(), Err(VerifyError::Empty)) => {}
        None => {
            return Err(format!(
                "there is a log in {}, and its head is not in {}: verify the log, and put back \
                 the head that was printed last",
                folder.display(),
                path.display()
            )
            .into());
        }
    }
    Ok(builder.open()?)
}

/// Says whether the records are as they were written, and as they were remembered.
pub(crate) fn report(folder: &Path, head: Option<Head>) -> Result<(), Box<dyn Error>> {
    let mut verifier = verify(folder);
    let head = match head {
        None => HeadFile::read(beside(folder)?)?,
        given => given,
    };
    if let Some(head) = head {
        verifier = verifier.with_expected_head(head);
    }
    println!("{}", verifier.run()?);
    Ok(())
}

/// The file beside a folder that keeps the head of its log.
fn beside(folder: &Path) -> Result<PathBuf, String> {
    let mut name = folder
        .file_name()
        .ok_or("the folder of the audit log has no name; give one like ./audit")?
        .to_owned();
    name.push(".head");
    Ok(folder.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use portcullis_tests::folder::TestFolder;

    use super::*;

    #[test]
    fn a_log_that_was_set_back_is_neither_opened_nor_good() {
        let place = TestFolder::new();
        place.make();
        let folder = place.path().join("audit");
        keep(&folder).unwrap().close().unwrap();
        let file = folder.join("audit-00000000000000000001.jsonl");
        let older = fs::read(&file).unwrap();
        let head = keep(&folder).unwrap().close().unwrap();
        let kept = place.path().join("audit.head");
        assert_eq!(HeadFile::read(&kept).unwrap(), Some(head));
        // A path that is written with a slash at its end is the same folder.
        report(&folder.join(""), None).unwrap();
        fs::remove_file(folder.join("audit-00000000000000000003.jsonl")).unwrap();
        fs::write(&file, older).unwrap();
        let set_back = "an older copy was put back";
        let error = report(&folder, None).unwrap_err().to_string();
        assert!(error.contains(set_back), "{error}");
        let error = keep(&folder).unwrap_err().to_string();
        assert!(error.contains(set_back), "{error}");
        fs::remove_file(&kept).unwrap();
        let error = keep(&folder).unwrap_err().to_string();
        assert!(error.contains("its head is not in"), "{error}");
        report(&folder, None).unwrap();
        assert!(report(&folder, Some(head)).is_err());
        assert!(beside(Path::new("..")).is_err());
    }
}
