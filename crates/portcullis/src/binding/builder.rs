//! The settings of the `binding` layer.

use std::sync::Arc;

use http::{HeaderName, header};
use portcullis_core::{ConfigError, ConfigErrors};

use super::{BindingLayer, decide::CompareOrigin, drift::Reactions};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::Steps,
};

/// What comes of a request that comes from elsewhere than its session did.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reaction {
    /// It is let in, and a record says so: a signal for whoever reads records.
    #[default]
    Note,
    /// It is refused until the user has authenticated again. The session lives on, for whoever
    /// still comes from where it did: a thief does not log anybody out.
    Ask,
}

/// The settings of a [`BindingLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nothing is compared until `build` is called and the layer is added"]
pub struct BindingBuilder {
    ambient: Ambient,
    settings: BindingSettings,
}

/// What `binding` is made from, beside what every layer has.
#[derive(Debug)]
pub(crate) struct BindingSettings {
    reactions: Reactions,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
    device_header: Option<HeaderName>,
}

impl Default for BindingSettings {
    fn default() -> Self {
        Self {
            reactions: Reactions {
                network: Some(Reaction::Note),
                user_agent: Some(Reaction::Note),
                device: None,
            },
            ipv4_prefix: 24,
            ipv6_prefix: 48,
            device_header: None,
        }
    }
}

impl BindingBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: BindingSettings::default(),
        }
    }

    ambient_setters!();

    /// What comes of another network: a note by default. Each address family has a reference
    /// of its own, the first network that the session came from by it.
    ///
    /// Without a `perimeter` further out nobody knows a client's address, and no network is
    /// compared.
    pub fn with_network(mut self, reaction: Reaction) -> Self {
        self.settings.reactions.network = Some(reaction);
        self
    }

    /// Compares no network.
    pub fn without_network(mut self) -> Self {
        self.settings.reactions.network = None;
        self
    }

    /// How many bits of an IPv4 address are its network: 24 by default.
    pub fn with_ipv4_prefix(mut self, bits: u8) -> Self {
        self.settings.ipv4_prefix = bits;
        self
    }

    /// How many bits of an IPv6 address are its network: 48 by default, and 64 at most, since
    /// a host changes the others by itself.
    pub fn with_ipv6_prefix(mut self, bits: u8) -> Self {
        self.settings.ipv6_prefix = bits;
        self
    }

    /// What comes of another `User-Agent`, or of none where there was one: a note by default.
    pub fn with_user_agent(mut self, reaction: Reaction) -> Self {
        self.settings.reactions.user_agent = Some(reaction);
        self
    }

    /// Compares no `User-Agent`.
    pub fn without_user_agent(mut self) -> Self {
        self.settings.reactions.user_agent = None;
        self
    }

    /// The header by which clients say on which device they run: none by default. A difference
    /// is noted unless [`with_device`](Self::with_device) says otherwise.
    ///
    /// The header is removed before the handler. Whoever has stolen a token together with its
    /// device id is not told apart by it.
    pub fn with_device_header(mut self, name: HeaderName) -> Self {
        self.settings.device_header = Some(name);
        self
    }

    /// What comes of another device id, or of none where there was one.
    pub fn with_device(mut self, reaction: Reaction) -> Self {
        self.settings.reactions.device = Some(reaction);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when nothing is compared.
    pub fn build(self) -> Result<BindingLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let step = keep(self.settings.assemble(), &mut errors);
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) => Ok(BindingLayer::new(Arc::new(Steps::new(
                vec![Arc::new(step)],
                shared,
            )))),
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> BindingSettings {
        self.settings
    }
}

impl BindingSettings {
    /// Checks every setting.
    pub(crate) fn assemble(self) -> Result<CompareOrigin, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut reactions = self.reactions;
        match (&self.device_header, reactions.device) {
            (None, Some(_)) => errors.push(ConfigError::new(
                "with_device",
                "was called, but no header holds a device id; name one with \
                 `with_device_header`, or leave it out",
            )),
            (Some(name), reaction) => {
                if let Some(problem) = header_problem(name) {
                    errors.push(ConfigError::new("with_device_header", problem));
                }
                reactions.device = Some(reaction.unwrap_or_default());
            }
            (None, None) => {}
        }
        let Reactions {
            network,
            user_agent,
            device,
        } = reactions;
        if network.or(user_agent).or(device).is_none() {
            errors.push(ConfigError::new(
                "without_network",
                "and `without_user_agent` were called, and there is no `with_device_header`, so \
                 nothing would be compared; leave one of them out, or the whole layer",
            ));
        }
        for (setting, bits, most) in [
            ("with_ipv4_prefix", self.ipv4_prefix, 32),
            ("with_ipv6_prefix", self.ipv6_prefix, 64),
        ] {
            if !(1..=most).contains(&bits) {
                let problem = format!("is {bits} bits, which is no network; give 1 to {most}");
                errors.push(ConfigError::new(setting, problem));
            }
        }
        errors.into_result(CompareOrigin {
            reactions,
            ipv4_prefix: self.ipv4_prefix,
            ipv6_prefix: self.ipv6_prefix,
            device_header: self.device_header,
        })
    }
}

/// Why a header cannot hold a device id, and the fix.
fn header_problem(name: &HeaderName) -> Option<&'static str> {
    // The header is removed before the handler, which would miss these, or has been removed
    // before it comes here.
    let needed = [
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::HOST,
        header::ORIGIN,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
    ];
    needed
        .contains(name)
        .then_some("the header has a meaning of its own; name one such as `x-device-id`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_problems(builder: BindingBuilder, named: &[(&str, &str)]) {
        let errors = builder.build().unwrap_err();
        let problems: Vec<_> = errors
            .iter()
            .map(|error| (error.setting(), error.problem()))
            .collect();
        assert_eq!(problems.len(), named.len(), "{problems:?}");
        for ((setting, problem), (named, fix)) in problems.iter().zip(named) {
            assert_eq!(setting, named);
            assert!(problem.contains(fix), "{setting}: {problem}");
        }
    }

    #[test]
    fn a_layer_that_compares_nothing_names_the_fix() {
        let builder = BindingLayer::builder()
            .without_network()
            .without_user_agent();
        assert_problems(builder, &[("without_network", "`with_device_header`")]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let builder = BindingLayer::builder()
            .with_ipv4_prefix(33)
            .with_ipv6_prefix(0)
            .with_device_header(header::COOKIE)
            .with_base_path("nowhere");
        assert_problems(
            builder,
            &[
                ("with_device_header", "`x-device-id`"),
                ("with_ipv4_prefix", "1 to 32"),
                ("with_ipv6_prefix", "1 to 64"),
                ("with_base_path", "below the root"),
            ],
        );
        let builder = BindingLayer::builder().with_device(Reaction::Ask);
        assert_problems(builder, &[("with_device", "`with_device_header`")]);
        let builder = BindingLayer::builder().with_ipv6_prefix(65);
        assert_problems(builder, &[("with_ipv6_prefix", "1 to 64")]);
    }

    #[test]
    fn each_attribute_alone_is_enough() {
        let nothing = || {
            BindingLayer::builder()
                .without_network()
                .without_user_agent()
        };
        for builder in [
            BindingLayer::builder(),
            nothing().with_network(Reaction::Ask),
            nothing().with_user_agent(Reaction::Note),
            nothing().with_device_header(HeaderName::from_static("x-device-id")),
            BindingLayer::builder()
                .with_ipv4_prefix(32)
                .with_ipv6_prefix(64),
        ] {
            assert!(builder.build().is_ok());
        }
    }
}
