//! The oracle: what counts as refused, and what is counted.

use std::{collections::BTreeMap, fmt::Write as _, panic::AssertUnwindSafe, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use portcullis::audit::Outcome;
use portcullis_tests::{answers::is_documented, logs::Logs};

use crate::{
    guard::{Guard, METADATA_URL},
    rows,
};

/// What one play of all attacks came to.
pub(crate) struct Harness {
    /// The cases of each row, in the order of the rows.
    rows: BTreeMap<&'static str, Vec<String>>,
    not_yet: BTreeMap<&'static str, &'static str>,
    row: &'static str,
    controls: usize,
    refused_controls: Vec<String>,
    accepted: Vec<String>,
    /// Refused, but not as it should be.
    failures: Vec<String>,
    logs: Logs,
}

/// How a request has to be answered.
pub(crate) struct Expected {
    status: StatusCode,
    challenge: Challenge,
    codes: &'static [&'static str],
    outcome: Outcome,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Challenge {
    None,
    Missing,
    /// Which parameters say what is wanted.
    InsufficientAuthentication(&'static str),
    /// Which scopes are named.
    InsufficientScope(&'static str),
    InvalidRequest,
    InvalidToken,
    /// These lines, as they are.
    Lines(&'static [&'static str]),
}

impl Challenge {
    fn lines(self) -> Vec<String> {
        if let Self::Lines(lines) = self {
            return lines.iter().map(|line| (*line).to_owned()).collect();
        }
        self.line().into_iter().collect()
    }

    fn line(self) -> Option<String> {
        match self {
            Self::None | Self::Lines(_) => None,
            Self::Missing => Some(format!("Bearer resource_metadata=\"{METADATA_URL}\"")),
            Self::InsufficientAuthentication(wanted) => Some(format!(
                "Bearer error=\"insufficient_user_authentication\", {wanted}, \
                 resource_metadata=\"{METADATA_URL}\""
            )),
            Self::InsufficientScope(scopes) => Some(format!(
                "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", \
                 resource_metadata=\"{METADATA_URL}\", error_description=\"The request requires \
                 more scopes than the access token has\""
            )),
            Self::InvalidRequest => Some("Bearer error=\"invalid_request\"".to_owned()),
            Self::InvalidToken => Some(format!(
                "Bearer error=\"invalid_token\", error_description=\"The access token is not \
                 valid\", resource_metadata=\"{METADATA_URL}\""
            )),
        }
    }
}

impl Expected {
    /// 401 `invalid_token`, for one of these reasons.
    pub(crate) fn invalid_token(codes: &'static [&'static str]) -> Self {
        Self::new(401, Challenge::InvalidToken, codes)
    }

    /// 401 `insufficient_user_authentication` with these parameters, for one of these reasons.
    pub(crate) fn insufficient_authentication(
        wanted: &'static str,
        codes: &'static [&'static str],
    ) -> Self {
        Self::new(401, Challenge::InsufficientAuthentication(wanted), codes)
    }

    /// 403 `insufficient_scope` that names these scopes.
    pub(crate) fn insufficient_scope(scopes: &'static str) -> Self {
        Self::new(
            403,
            Challenge::InsufficientScope(scopes),
            &["scope_missing"],
        )
    }

    /// 400 `invalid_request`, for one of these reasons.
    pub(crate) fn invalid_request(codes: &'static [&'static str]) -> Self {
        Self::new(400, Challenge::InvalidRequest, codes)
    }

    /// 401 without an error: there was no credential.
    pub(crate) fn missing() -> Self {
        Self::new(401, Challenge::Missing, &["credentials_missing"])
    }

    /// 401 with these lines, for one of these reasons.
    pub(crate) fn lines(lines: &'static [&'static str], codes: &'static [&'static str]) -> Self {
        Self::new(401, Challenge::Lines(lines), codes)
    }

    /// A status without a challenge.
    pub(crate) fn status(status: u16, codes: &'static [&'static str]) -> Self {
        Self::new(status, Challenge::None, codes)
    }

    fn new(status: u16, challenge: Challenge, codes: &'static [&'static str]) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
        let outcome = match status.as_u16() {
            200..=299 => Outcome::Answered,
            500..=599 => Outcome::Failed,
            _ => Outcome::Refused,
        };
        Self {
            status,
            challenge,
            codes,
            outcome,
        }
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    has_reached_handler: bool,
}

impl Harness {
    /// Plays every row. `None` if there is no runtime to play it in.
    pub(crate) fn play() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        let (logs, listening) = Logs::listen();
        let mut harness = Self {
            rows: BTreeMap::new(),
            not_yet: BTreeMap::new(),
            row: "",
            controls: 0,
            refused_controls: Vec::new(),
            accepted: Vec::new(),
            failures: Vec::new(),
            logs,
        };
        runtime.block_on(rows::play(&mut harness));
        drop(listening);
        Some(harness)
    }

    /// Begins a row, and bounds it: with a check switched off, a row may panic or hang, and
    /// the others have to be played all the same.
    #[expect(
        clippy::disallowed_methods,
        reason = "bounds a row that hangs, in real time"
    )]
    pub(crate) async fn row(&mut self, id: &'static str, play: impl AsyncFnOnce(&mut Self)) {
        self.row = id;
        self.rows.entry(id).or_default();
        let played = AssertUnwindSafe(play(self)).catch_unwind();
        let problem = match tokio::time::timeout(Duration::from_secs(60), played).await {
            Ok(Ok(())) => return,
            Ok(Err(panic)) => match panic.downcast_ref::<String>() {
                Some(text) => format!("panicked: {text}"),
                None => "panicked".to_owned(),
            },
            Err(_) => "hangs".to_owned(),
        };
        self.failures.push(format!("{id}: {problem}"));
    }

    /// A row whose subject does not exist.
    pub(crate) fn not_yet(&mut self, id: &'static str, reason: &'static str) {
        self.not_yet.insert(id, reason);
    }

    /// An attack: has to be refused just so, and a good request has to be let in afterwards.
    pub(crate) async fn attack(
        &mut self,
        name: &str,
        guard: &Guard,
        request: Request<Full<Bytes>>,
        expected: &Expected,
    ) {
        self.attack_without_good(name, guard, request, expected)
            .await;
        let good = self.send(guard, guard.good()).await;
        if good.status != StatusCode::OK {
            self.fail(
                name,
                &format!("a good request afterwards is answered {}", good.status),
            );
        }
    }

    /// The same where a good request would not be let in afterwards, because there is no room for
    /// anybody new.
    pub(crate) async fn attack_without_good(
        &mut self,
        name: &str,
        guard: &Guard,
        request: Request<Full<Bytes>>,
        expected: &Expected,
    ) {
        self.begin(name);
        let secrets = secrets_of(&request);
        let _ = guard.audit.take();
        let answer = self.send(guard, request).await;
        if answer.has_reached_handler || answer.status.is_success() && !expected.status.is_success()
        {
            self.accept(name, answer.status.as_str());
        } else {
            self.examine(name, guard, &answer, expected, &secrets);
        }
        let _ = guard.audit.take();
    }

    /// An attack with a judgement of its own: the error says what got through.
    pub(crate) fn judged(&mut self, name: &str, outcome: Result<(), String>) {
        self.begin(name);
        if let Err(what) = outcome {
            self.accept(name, &what);
        }
    }

    /// A request that differs from an attack in the defect alone: has to be let in.
    pub(crate) async fn control(
        &mut self,
        name: &str,
        guard: &Guard,
        request: Request<Full<Bytes>>,
    ) {
        self.controls += 1;
        let answer = self.send(guard, request).await;
        if answer.status != StatusCode::OK || !answer.has_reached_handler {
            let reasons: Vec<_> = guard
                .audit
                .records()
                .iter()
                .map(|record| record.reason.as_str())
                .collect();
            let row = self.row;
            self.refused_controls
                .push(format!("{row} {name}: {} {reasons:?}", answer.status));
        }
        let _ = guard.audit.take();
    }

    pub(crate) fn report(&self, is_verbose: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, cases) in &self.rows {
            lines.push(format!("{id} tried {}", cases.len()));
            if is_verbose {
                lines.extend(cases.iter().map(|case| format!("    {case}")));
            }
        }
        lines.extend(
            self.not_yet
                .iter()
                .map(|(id, reason)| format!("not yet: {id} {reason}")),
        );
        lines.extend(
            self.failures
                .iter()
                .map(|failure| format!("failure: {failure}")),
        );
        lines.extend(
            self.refused_controls
                .iter()
                .map(|control| format!("refused control: {control}")),
        );
        lines.extend(self.accepted.iter().map(|case| format!("accepted: {case}")));
        let (rows, tried) = (self.rows.len(), self.tried());
        let tried_rows = self.rows.values().filter(|cases| !cases.is_empty()).count();
        lines.push(format!("rows {tried_rows} of {rows}"));
        lines.push(format!(
            "controls {}, refused {}",
            self.controls,
            self.refused_controls.len()
        ));
        lines.push(format!(
            "attacks: tried {tried}, accepted {}",
            self.accepted.len()
        ));
        lines
    }

    /// Whether nothing got through, and everything else is as it should be.
    pub(crate) fn is_clean(&self) -> bool {
        self.accepted.is_empty()
            && self.failures.is_empty()
            && self.refused_controls.is_empty()
            && self.tried() > 0
    }

    fn tried(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    fn begin(&mut self, name: &str) {
        self.rows.entry(self.row).or_default().push(name.to_owned());
    }

    fn accept(&mut self, name: &str, what: &str) {
        let row = self.row;
        self.accepted.push(format!("{row} {name}: {what}"));
    }

    pub(crate) fn fail(&mut self, name: &str, what: &str) {
        let row = self.row;
        self.failures.push(format!("{row} {name}: {what}"));
    }

    async fn send(&self, guard: &Guard, request: Request<Full<Bytes>>) -> Answer {
        let calls = guard.probe.calls();
        let response = guard.send(request).await;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            has_reached_handler: guard.probe.calls() > calls,
        }
    }

    /// The common oracle of all refusals.
    fn examine(
        &mut self,
        name: &str,
        guard: &Guard,
        answer: &Answer,
        expected: &Expected,
        secrets: &[String],
    ) {
        let mut problems = String::new();
        if answer.status != expected.status {
            let _ = write!(
                problems,
                " is answered {}, not {};",
                answer.status, expected.status
            );
        }
        let lines: Vec<_> = answer
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .map(|line| line.to_str().ok())
            .collect();
        let challenge = expected.challenge.lines();
        if lines
            != challenge
                .iter()
                .map(|line| Some(&**line))
                .collect::<Vec<_>>()
        {
            let _ = write!(problems, " has the challenge {lines:?};");
        }
        let records = guard.audit.records();
        match records.as_slice() {
            [record] => {
                let code = record.reason.as_str();
                if record.outcome != expected.outcome || !expected.codes.contains(&code) {
                    let _ = write!(problems, " is recorded as {:?} {code};", record.outcome);
                }
                if !is_documented(code, answer.status.as_u16()) {
                    let _ = write!(problems, " is not in the guide with {code};");
                }
                if answer.body.contains(code) {
                    problems.push_str(" says the reason in its body;");
                }
            }
            _ => {
                let _ = write!(problems, " has {} records;", records.len());
            }
        }
        let mut told = format!("{:?}{}", answer.headers, answer.body);
        self.logs.all().iter().for_each(|line| told.push_str(line));
        if secrets.iter().any(|secret| told.contains(secret.as_str())) {
            problems.push_str(" tells its credential;");
        }
        if !problems.is_empty() {
            self.fail(name, problems.trim());
        }
    }
}

/// What must appear nowhere: the credentials of a request, and the signatures in them.
fn secrets_of(request: &Request<Full<Bytes>>) -> Vec<String> {
    let mut secrets = Vec::new();
    for name in ["authorization", "dpop", "x-api-key", "cookie"] {
        for value in request.headers().get_all(name) {
            let text = String::from_utf8_lossy(value.as_bytes());
            secrets.extend(text.split([' ', '.', '=', ',', '_']).map(str::to_owned));
        }
    }
    if let Some(query) = request.uri().query() {
        secrets.extend(query.split(['=', '&', '.']).map(str::to_owned));
    }
    secrets.retain(|secret| secret.len() > 20);
    secrets
}
