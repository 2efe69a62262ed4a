//! Records in files that show whether somebody changed them.
//!
//! An [`AuditLog`] is an [`AuditSink`](crate::audit::AuditSink): one line of JSON for each record,
//! each line chained to the one before, in files that follow one another. [`verify`] reads them
//! and names the first line that is not as it was written.
//!
//! ```
//! # let folder = std::env::temp_dir().join(format!("portcullis-doc-log-{}", std::process::id()));
//! # let _ = std::fs::remove_dir_all(&folder);
//! use portcullis::{Stack, audit::log::{AuditLog, verify}};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let log = AuditLog::builder(&folder).open()?;
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .with_audit(log.clone())
//!     .add_authenticator(Keys)
//!     .build()?;
//! // … serve, and when the server has stopped:
//! let head = log.close()?;
//!
//! let report = verify(&folder).with_expected_head(head).run()?;
//! assert!(report.is_closed);
//! # let _ = (gate, handle);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Customised: nothing is let in without a durable record, and the ends of the log go to where
//! this server cannot take them back.
//!
//! ```
//! # let folder = std::env::temp_dir().join(format!("portcullis-doc-strict-{}", std::process::id()));
//! # let _ = std::fs::remove_dir_all(&folder);
//! use std::time::Duration;
//! use portcullis::audit::log::{AuditLog, Head, Mode};
//!
//! let (ship, shipped) = std::sync::mpsc::channel();
//! let log = AuditLog::builder(&folder)
//!     .with_mode(Mode::Strict)
//!     // While it runs nothing is written: hand the head on, and send it from elsewhere.
//!     .with_head_sink(move |head: &Head| drop(ship.send(head.to_string())))
//!     .with_heartbeat(Duration::from_secs(10))
//!     .with_max_file_size(16 << 20)
//!     .with_max_file_age(Duration::from_secs(3600))
//!     .with_flood_threshold(20)
//!     .open()?;
//! # log.close()?;
//! let first: Head = shipped.recv()?.parse()?;
//! assert_eq!(first.sequence(), 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes of a request whose record cannot be written
//!
//! | | [`Mode::BestEffort`], the default | [`Mode::Strict`] |
//! |---|---|---|
//! | a request that is let in | goes on at once | waits until its record is durable |
//! | a call that is permitted | goes on at once | waits until its record is durable |
//! | what refuses, ends or revokes | never waits | never waits |
//! | the disk does not take it | records wait in memory, and are written when it does again | the same, but whatever would be let in is answered with 503; the disk is tried again a second after it failed |
//! | the queue is full | records are lost, and a `gap` says how many | the same; of the room a quarter is for what does not wait |
//!
//! In either mode a request does no more than to copy its record into a queue. One thread of the
//! log's own makes lines of all that waits, writes them at once and has them made durable by one
//! `fsync`; what comes in meanwhile is the next batch. So strict mode costs each request the time
//! of one to two `fsync`s, and hardly any throughput where many requests are on their way. It
//! waits for as long as the disk takes: a timeout layer outside the gate bounds that. A record that
//! was not durable in time may be so later all the same, if the answer of the disk was lost; behind
//! it then stands one of the same request, with the reason `audit_unavailable`.
//!
//! # What shows, and what does not
//!
//! `hash` is SHA-256 over a fixed tag, the hash of the line before, and all of the line that stands
//! ahead of it. A line that is edited, missing, moved, doubled or of another log is found, and so
//! is a file that is missing between others. No key is in it: **whoever can write to the folder can
//! cut off the end, set it back to an older state, or compute it anew from any line on.** That shows
//! to whoever remembers how far the log went:
//!
//! - A [`HeadSink`] is given the [`Head`] when the log is opened, on the thread that opens it; and
//!   with each heartbeat, with each new file and when the log is closed, on the log's own thread.
//!   Send it to another machine, to a store that can only be added to, or have it signed; a
//!   [`HeadFile`] keeps it in a file, best on another disk.
//! - [`AuditLogBuilder::with_expected_head`] holds the log against a head before it is opened.
//! - [`Verifier::with_expected_head`] holds the log against a head. What was written after the last
//!   head that got away is what can be taken back unseen: the interval of
//!   [`with_heartbeat`](AuditLogBuilder::with_heartbeat).
//! - Without a head, a log whose last line is no `close` is reported as not closed.
//!
//! # At start
//!
//! An older copy of the folder that was put back verifies, and a log that is opened in it goes on
//! from there: its heads are lower, and what was known of its end is lost if they take the place
//! of the one that was remembered. So hold the log against that one before it is opened:
//!
//! ```
//! # let folder = std::env::temp_dir().join(format!("portcullis-doc-start-{}", std::process::id()));
//! # let kept = folder.with_extension("head");
//! # let _ = std::fs::remove_dir_all(&folder);
//! # let _ = std::fs::remove_file(&kept);
//! use std::{error::Error, path::Path};
//! use portcullis::audit::log::{AuditLog, HeadFile, VerifyError, verify};
//!
//! fn open(folder: &Path, kept: &Path) -> Result<AuditLog, Box<dyn Error>> {
//!     let mut builder = AuditLog::builder(folder).with_head_sink(HeadFile::new(kept));
//!     match HeadFile::read(kept)? {
//!         Some(head) => builder = builder.with_expected_head(head),
//!         // The first start: there is no head yet, and no log either.
//!         None if matches!(verify(folder).run(), Err(VerifyError::Empty)) => {}
//!         None => return Err("there is a log, and its head is gone".into()),
//!     }
//!     Ok(builder.open()?)
//! }
//!
//! let head = open(&folder, &kept)?.close()?;
//! let log = open(&folder, &kept)?;
//! assert!(log.head().sequence() > head.sequence());
//! # drop(log);
//! # std::fs::remove_file(&kept)?;
//! # assert!(open(&folder, &kept).is_err());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! At the first start nothing is remembered, and there is nothing to hold the log against. Whoever
//! can take away both the folder and the file makes a first start of any other: so keep the file
//! where the server cannot delete it, or have whoever installs the server say that it is the first.
//! A log that is [not as it was remembered](OpenError::NotAsRemembered) is not opened, and its
//! folder stays as it was found: look into that before anything else is done, and then give the
//! server another folder and another file.
//!
//! # The folder
//!
//! `audit-00000000000000000001.jsonl` and so on, by the sequence number of the first line. Each
//! start of the program begins a file, and so does the [size](AuditLogBuilder::with_max_file_size)
//! or the [age](AuditLogBuilder::with_max_file_age) of the one before; the chain runs on. A lock
//! sees to it that nobody else writes. On Unix nobody else may read: the folder has the mode 0700,
//! the files 0600. Folder and files have to be of the user that writes, and no file is a symbolic
//! link.
//!
//! Nothing is ever deleted here. Oldest files may be moved or deleted by whoever decides how long
//! records are kept (PCI DSS 10.5.1 asks for a year, the EU AI Act for half a year, HIPAA for six
//! years): the rest verifies, and the report says which line is the first. Deleting is then no more
//! than cutting off the beginning, so let it be done by somebody who is not the server.
//!
//! When the log is opened, the newest file is read. A line that was not written to its end is cut
//! off, and a `torn` line says where and how long it was; zeros up to the end, which a file
//! system leaves for what it had not written yet, count as that. A whole line that does not verify is an
//! [error](OpenError::Broken): keep the files, and give the log another folder, or say
//! [`dangerously_start_new_chain`](AuditLogBuilder::dangerously_start_new_chain).
//!
//! # Lines
//!
//! Every line begins with `seq`, `time` (milliseconds since the Unix epoch) and `kind`, and ends
//! with `hash`. `seq` counts all lines, whatever the clock does.
//!
//! | `kind` | what it says |
//! |---|---|
//! | `head` | a file begins: `schema` (`portcullis.audit/1`), `chain` (drawn when the chain began), `previous` (hash of the last line of the file before), `cause` (`start`, `rotation`, `new_chain`), `mode` |
//! | `decision`, `call`, `end`, `session_start`, `session_end`, `drift`, `notice`, `operator` | a [record](crate::audit::RecordKind) |
//! | `summary` | refusals of strangers in one minute: `count` of all of them up to then, `unwritten` of those that have no line and are in no summary before, the `first` and the `last` of those, and the `network` |
//! | `gap` | `lost` records, by their number, and the `cause` (`disk`, `queue_full`) |
//! | `torn` | `bytes` that were cut off, in which `file`, at which `offset` |
//! | `broken` | a `line` of a `file` does not verify, and a new chain begins |
//! | `heartbeat` | the log is alive |
//! | `close` | the log was closed |
//!
//! Where the [Open Cybersecurity Schema Framework](https://schema.ocsf.io/) (1.8) has a name for
//! what a record holds, the record uses it. It does not claim to be a complete event of OCSF.
//!
//! | member | OCSF | what it is |
//! |---|---|---|
//! | `class_uid`, `activity_id`, `type_uid` | yes | 3002 Authentication, 1 Logon or 2 Logoff, for sessions; 6003 API Activity, by the method, for all else; 99 for calls and what operators do |
//! | `severity_id` | yes | 1, informational: what is severe is not for the gate to say |
//! | `status_id`, `action_id` | yes | 1 success, allowed; 2 failure, denied |
//! | `status_detail` | yes | the [reason code](crate::reason) |
//! | `http_request.uid` | yes | the request's id, by which its records belong together |
//! | `http_request.http_method`, `http_request.url.path` | yes | what was asked for |
//! | `http_response.code` | yes | what the gate answered by itself |
//! | `src_endpoint.ip` | yes | the client's address |
//! | `trace.uid`, `trace.span.parent_uid` | yes | the trace and the operation in it that the request is a part of, as its sender says: it correlates, and proves nothing |
//! | `api.operation` | yes | what a call asked for |
//! | `actor.user.uid`, `actor.user.type` | yes | the subject; `user`, `client` or `standing` |
//! | `actor.idp.uid` | yes | the issuer |
//! | `actor.app_uid` | yes | the client application |
//! | `actor.session.uid` | yes | the session's id, which opens nothing |
//! | `outcome`, `layer`, `authenticator` | no | as in the [record](crate::audit::Record) |
//! | `revoked` | no | what an operator has ended or revoked: its `kind`, the `issuer`, what it is within the issuer (`value`), and the `client` of a grant |
//! | `delegated_to` | no | who acts for the subject (RFC 8693), the nearest first, at most eight |
//! | `delegated_to_others` | no | how many more there are |
//! | `cut` | no | which texts were cut, and how long they were, in bytes |
//!
//! A path is cut at 1024 bytes, other texts at 256, methods at 64. Whatever ends a line, moves a
//! cursor, reorders or hides text stands there as an escape of JSON, so that one line is one record
//! for everything that reads it; a reader of JSON gets the text as it came.
//!
//! # Floods
//!
//! Whoever has no credential can be refused as often as he likes. From the
//! [61st](AuditLogBuilder::with_flood_threshold) time in a minute on, refusals of a network (a /24
//! of IPv4, a /56 of IPv6) for one reason have one `summary`, written when the minute is over, and
//! one ahead of it whenever the log is [flushed](AuditLog::flush) meanwhile. What
//! is known about a principal, and what is let in, is always written by itself.
//!
//! # Metrics
//!
//! [`AuditLog::stats`] says how the log fares. With the feature `metrics`,
//! `AuditLog::publish_metrics` hands the difference to the last time to the recorder of the crate
//! `metrics` that is installed by then; call it beside `GateHandle::publish_metrics`. Several logs
//! of a program add up.
//!
//! | metric | what it counts |
//! |---|---|
//! | `portcullis_audit_log_records_written_total` | records that are on the disk, summaries included |
//! | `portcullis_audit_log_records_lost_total` | records that were lost, because the queue was full |
//! | `portcullis_audit_log_refusals_summed_up_total` | refusals that stand in summaries alone |
//! | `portcullis_audit_log_failures_total` | attempts that the disk did not take |
//! | `portcullis_audit_log_failing` | logs whose disk did not take the last attempt: a gauge |
//!
//! Heads that a [`HeadFile`] could not keep are counted [there](HeadFile::failures).

mod builder;
mod chain;
mod defect;
mod disk;
mod entry;
mod error;
mod flood;
mod handle;
mod head;
mod head_file;
mod line;
#[cfg(feature = "metrics")]
mod metrics;
mod ours;
mod queue;
mod read;
mod recover;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod torn;
mod verify;
mod writer;

pub use self::{
    builder::{AuditLogBuilder, Mode},
    defect::{BadLine, Defect},
    error::{OpenError, VerifyError},
    handle::{AuditLog, LogStats},
    head::{Head, HeadSink, InvalidHead},
    head_file::{HeadFile, HeadFileError},
    report::Report,
    verify::{Verifier, verify},
};
