//! From the configuration to the receiver.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use portcullis_core::{ConfigError, ConfigErrors, IntoNoticeReceiver, Secret, Site, entropy};
use siphasher::sip128::SipHasher13;

use super::{
    NAME, SharedSignals, SignalsReceiver,
    poll::Poll,
    receiver::Inner,
    settings::Way,
    subject::SubjectRules,
    watch::{Watch, WatchRules},
};
use crate::{
    http::{Shown, check_url},
    jwt::{audiences, check_leeway, client_or_built_in},
    signed_notice::Signers,
};

/// How many tokens are known again.
const RECENT: usize = 4096;

impl SharedSignals {
    fn interval(&self) -> Duration {
        self.interval.unwrap_or(Duration::from_secs(10))
    }

    fn check(&self, errors: &mut ConfigErrors) {
        check_leeway(self.leeway, errors);
        let mut check = |setting, holds: bool, problem: &str| {
            if !holds {
                errors.push(ConfigError::new(setting, problem));
            }
        };
        check(
            "with_kept_for",
            !self.kept_for.is_zero(),
            "is zero, so that an event would keep nobody out; give a lifetime",
        );
        let minute = Duration::from_mins(1);
        check(
            "with_max_silence",
            self.max_silence.is_none_or(|silence| silence >= minute),
            "is shorter than a minute; give the distance of verifications, some times over",
        );
        check(
            "with_fail_safe",
            self.fail_safe.is_none_or(|age| age >= minute),
            "is shorter than a minute, within which nobody could authenticate; give a longer time, \
             or call `without_fail_safe`",
        );
        let mut issuers = self.subject_issuers.iter().flatten();
        check(
            "with_subject_issuers",
            self.subject_issuers
                .as_ref()
                .is_none_or(|all| !all.is_empty())
                && issuers.all(|issuer| !issuer.is_empty()),
            "names no issuer; name those whose users the transmitter speaks of, or drop it",
        );
        let has_text = |secret: &Secret| {
            let text = secret.expose();
            !text.is_empty() && text.iter().all(|byte| (0x21..=0x7e).contains(byte))
        };
        check(
            "with_token",
            self.token.as_ref().is_none_or(has_text),
            "is empty, or holds what no header can; give it without `Bearer`",
        );
        let allowed = Duration::from_secs(1)..=Duration::from_hours(1);
        check(
            "with_poll_interval",
            self.interval.is_none_or(|time| allowed.contains(&time)),
            "is not between a second and an hour; choose a time in between",
        );
        let is_polled = matches!(self.way, Way::Poll(_));
        let interval = self.interval();
        check(
            "with_max_silence",
            !is_polled || self.max_silence.is_none_or(|most| most >= interval * 3),
            "is shorter than three times the poll interval, so that one late answer would be an \
             alarm; give a longer time",
        );
        check(
            "with_poll_interval",
            is_polled || self.interval.is_none(),
            "is set, and events are pushed; drop it, or begin with `SharedSignals::poll`",
        );
        check(
            "with_path",
            !is_polled || self.path.is_none(),
            "is set, and events are polled; drop it, or begin with `SharedSignals::push`",
        );
    }
}

impl IntoNoticeReceiver for SharedSignals {
    type Receiver = SignalsReceiver;

    fn into_notice_receiver(self, site: &Site) -> Result<SignalsReceiver, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.check(&mut errors);
        let audiences = audiences(self.audiences.as_ref(), site, &mut errors);
        let interval = self.interval();
        let client = client_or_built_in(self.client);
        let names: Vec<Box<str>> = self.issuer.names().map(Into::into).collect();
        let issuers = match self.issuer.build(site.clock(), client.as_ref()) {
            Ok(issuers) => issuers,
            Err(problems) => {
                errors.extend(problems);
                Vec::new()
            }
        };
        let (path, poll) = match self.way {
            Way::Push => (Some(self.path.unwrap_or("/shared-signals".into())), None),
            Way::Poll(url) => {
                let reach = check_url(&url, self.allows_local);
                if let Err(problem) = &reach {
                    let problem = format!("{} {problem}; give the poll endpoint", Shown(&url));
                    errors.push(ConfigError::new("SharedSignals::poll", problem));
                }
                if client.is_none() {
                    errors.push(ConfigError::new(
                        "with_http_client",
                        "is not set, and the feature `reqwest` is off; set it, or switch the \
                         feature on",
                    ));
                }
                let poll = reach.ok().zip(client).map(|((_, reach), client)| Poll {
                    url,
                    reach,
                    interval,
                    token: self.token.clone(),
                    client,
                    clock: Arc::clone(site.clock()),
                });
                (None, poll)
            }
        };
        let hash = entropy::bytes().map_err(|error| {
            let problem = format!("the operating system gives no randomness: {error}");
            errors.push(ConfigError::new("build", problem));
        });
        let Ok(hash) = hash else {
            return Err(errors);
        };
        let subject_issuers = self.subject_issuers.unwrap_or(names);
        errors.into_result(SignalsReceiver::new(Inner {
            path,
            poll,
            audiences,
            token: self.token,
            leeway: self.leeway,
            kept_for: self.kept_for,
            reactions: self.reactions,
            subjects: SubjectRules {
                issuers: subject_issuers,
                ..self.subjects
            },
            state: self.state,
            watch: Mutex::new(Watch::new(site.clock().instant())),
            changed: tokio::sync::Notify::new(),
            watch_rules: WatchRules {
                max_silence: self.max_silence,
                fail_safe: self.fail_safe,
            },
            recent: quick_cache::sync::Cache::new(RECENT),
            hash: SipHasher13::new_with_key(&hash),
            signers: Signers {
                issuers,
                clock: Arc::clone(site.clock()),
                name: NAME,
                signature_checks: AtomicU64::new(0),
            },
        }))
    }
}
