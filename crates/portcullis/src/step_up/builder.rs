//! The settings of the `step_up` layer.

use std::sync::Arc;

use portcullis_core::ConfigErrors;

use super::{Requirement, StepUpLayer, settings::StepUpSettings};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::Steps,
};

/// The settings of a [`StepUpLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nothing is guarded until `build` is called and the layer is added"]
pub struct StepUpBuilder {
    ambient: Ambient,
    settings: StepUpSettings,
}

impl StepUpBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: StepUpSettings::default(),
        }
    }

    ambient_setters!();

    /// What is required of every request and every call.
    ///
    /// Routes that are declared anonymous are no exception: an anonymous caller meets no
    /// requirement that asks for anything.
    pub fn with_requirement(mut self, requirement: Requirement) -> Self {
        self.settings.everything = Some(requirement);
        self
    }

    /// What is required on one route besides: the matched route on axum (`/payments/{id}`),
    /// otherwise the exact path. Never a prefix.
    pub fn add_route_requirement(
        mut self,
        route: impl Into<Box<str>>,
        requirement: Requirement,
    ) -> Self {
        self.settings.routes.push((route.into(), requirement));
        self
    }

    /// Names an operation, and what is required for it besides when a handler asks for it with
    /// [`Exchange::authorize`](crate::Exchange::authorize).
    ///
    /// Operations that are not named are refused. One that requires nothing more is named with
    /// `Requirement::new()`.
    pub fn require(mut self, operation: impl Into<Box<str>>, requirement: Requirement) -> Self {
        self.settings
            .operations
            .push((operation.into(), requirement));
        self
    }

    /// Says that one scope stands for another: whoever was granted the broader meets what
    /// requires the narrower. It holds along chains, and in this direction alone.
    pub fn add_implied_scope(
        mut self,
        broader: impl Into<Box<str>>,
        narrower: impl Into<Box<str>>,
    ) -> Self {
        self.settings
            .implied
            .0
            .push((broader.into(), narrower.into()));
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when nothing is required.
    pub fn build(self) -> Result<StepUpLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let step = keep(self.settings.assemble(), &mut errors);
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) if errors.is_empty() => Ok(StepUpLayer::new(Arc::new(
                Steps::new(vec![Arc::new(step)], shared),
            ))),
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> StepUpSettings {
        self.settings
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Evidence, EvidenceKind, Scopes, Timestamp};

    use super::*;
    use crate::step_up::{decide::StepUpStep, demand::Demand};

    fn scope() -> Requirement {
        Requirement::new().with_scopes("a")
    }

    fn problems_of(builder: StepUpBuilder) -> Vec<String> {
        match builder.build() {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_can_work_is_built() {
        let builder = StepUpLayer::builder()
            .with_requirement(scope().add_acr("phr"))
            .add_route_requirement("/files/{*path}", scope().add_acr("phr").add_acr("phrh"))
            .add_implied_scope("all", "a")
            // What is required of everything says which class to ask for.
            .require(
                "mcp tools/call payments.transfer",
                Requirement::new().add_amr("hwk"),
            );
        assert_eq!(problems_of(builder), [""; 0]);
    }

    #[test]
    fn what_is_required_of_everything_is_part_of_each() {
        let builder = StepUpLayer::builder()
            .with_requirement(scope())
            .add_implied_scope("all", "a")
            .add_route_requirement("/notes", Requirement::new().with_scopes("b"))
            .require("notes.list", Requirement::new());
        let StepUpStep(requirements) = builder.into_settings().assemble().unwrap();
        let lets_in = |demand: &Demand, granted: &str| {
            let scopes = Scopes::parse(granted).unwrap();
            let alice = Evidence::new(EvidenceKind::User, "i", "alice").with_scopes(scopes);
            demand.check(&alice, Timestamp::UNIX_EPOCH).is_ok()
        };
        let route = requirements.routes.get("/notes").unwrap();
        assert!(lets_in(route, "a b") && lets_in(route, "all b"));
        assert!(!lets_in(route, "a") && !lets_in(route, "b") && !lets_in(route, "all"));
        let operation = requirements.for_operation("notes.list").unwrap();
        assert!(lets_in(operation, "a") && !lets_in(operation, ""));
        assert!(requirements.for_operation("notes").is_none());
    }

    #[test]
    fn every_mistake_is_named_with_its_setting() {
        let builder = StepUpLayer::builder;
        for (builder, setting, word) in [
            (builder(), "require", "was not called"),
            (
                builder().with_requirement(Requirement::new()),
                "with_requirement",
                "nothing",
            ),
            (
                builder().with_requirement(scope().add_acr("a b")),
                "with_requirement",
                "`a b`",
            ),
            (
                builder().add_route_requirement("notes", scope()),
                "add_route_requirement",
                "`notes` is no route",
            ),
            (
                builder().add_route_requirement("/notes", Requirement::new()),
                "add_route_requirement",
                "exempts from nothing",
            ),
            (
                builder()
                    .add_route_requirement("/notes", scope())
                    .add_route_requirement("/notes", scope()),
                "add_route_requirement",
                "twice",
            ),
            (
                builder()
                    .with_requirement(scope().add_acr("phr"))
                    .add_route_requirement("/notes", Requirement::new().add_acr("otp")),
                "add_route_requirement",
                "no acr",
            ),
            (
                builder().require("a", Requirement::new().add_amr("otp")),
                "require",
                "`add_acr_hint`",
            ),
            (
                builder()
                    .with_requirement(Requirement::new().add_amr("otp"))
                    .require("a", scope().add_amr("hwk")),
                "with_requirement",
                "`add_acr_hint`",
            ),
            (
                builder().require("a", scope().add_acr_hint("mfa")),
                "require",
                "no amr",
            ),
            (builder().require("", scope()), "require", "no name"),
            (builder().require(" a", scope()), "require", "blanks"),
            (builder().require("a\nb", scope()), "require", "a\\nb"),
            (
                builder().require("a".repeat(129), scope()),
                "require",
                "128 bytes",
            ),
            (
                builder().require("a", scope()).require("a", scope()),
                "require",
                "twice",
            ),
            (
                builder().require("a", Requirement::new().with_scopes("a\\b")),
                "require",
                "no scope",
            ),
            (
                builder().require("a", scope()).add_implied_scope("a", "a"),
                "add_implied_scope",
                "itself",
            ),
            (
                builder()
                    .require("a", scope())
                    .add_implied_scope("a b", "c"),
                "add_implied_scope",
                "no scope",
            ),
        ] {
            let found = problems_of(builder);
            let wanted = format!("`{setting}`: ");
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with(&wanted) && one.contains(word)),
                "{setting} {word}: {found:?}"
            );
        }
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let builder = StepUpLayer::builder()
            .add_implied_scope("", "a")
            .with_requirement(Requirement::new())
            .add_route_requirement("x", scope())
            .require("", scope())
            .with_base_path("/");
        assert_eq!(problems_of(builder).len(), 5);
    }
}
