//! The settings of the `step_up` layer.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_core::{ConfigError, ConfigErrors, Scopes};

use super::{
    Requirement, StepUpLayer,
    decide::StepUpStep,
    demand::{Demand, ImpliedScopes},
    requirements::Requirements,
};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::Steps,
};

/// The longest name of an operation, in bytes.
const MAX_NAME: usize = 128;

/// What is wrong with a requirement that no challenge could say.
const UNSPEAKABLE: &str = "requires an amr, which a challenge cannot name, so that no client could \
    ask for it; name the class that stands for it with `add_acr_hint`, or with `add_acr` if tokens \
    have to carry it";

/// The settings of a [`StepUpLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nothing is guarded until `build` is called and the layer is added"]
pub struct StepUpBuilder {
    ambient: Ambient,
    settings: StepUpSettings,
}

/// What `step_up` is made from, beside what every layer has.
#[derive(Debug, Default)]
pub(crate) struct StepUpSettings {
    everything: Option<Requirement>,
    routes: Vec<(Box<str>, Requirement)>,
    operations: Vec<(Box<str>, Requirement)>,
    implied: ImpliedScopes,
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

impl StepUpSettings {
    /// Checks every setting, and joins what is required of everything with what is required of
    /// each route and operation.
    pub(crate) fn assemble(self) -> Result<StepUpStep, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if self.everything.is_none() && self.routes.is_empty() && self.operations.is_empty() {
            errors.push(ConfigError::new(
                "require",
                "was not called, and nothing else is required, so the layer would do nothing; \
                 name an operation or a requirement, or leave the layer out",
            ));
        }
        for (broader, narrower) in &self.implied.0 {
            let problem = match (
                Scopes::collect([&**broader]),
                Scopes::collect([&**narrower]),
            ) {
                (Ok(_), Ok(_)) if broader != narrower => continue,
                (Ok(_), Ok(_)) => format!("says that `{broader}` stands for itself; remove it"),
                _ => format!(
                    "says that `{}` stands for `{}`, and one of them is no scope",
                    broader.escape_debug(),
                    narrower.escape_debug(),
                ),
            };
            errors.push(ConfigError::new("add_implied_scope", problem));
        }

        let everything = match self.everything {
            None => Requirement::new(),
            Some(everything) => {
                let mut found = problems("with_requirement", "everything", &everything);
                if everything.is_unspeakable() {
                    found.push(about("with_requirement", "everything", UNSPEAKABLE));
                }
                if found.is_empty() && everything.is_empty() {
                    let problem = "asks for nothing; leave it out";
                    errors.push(ConfigError::new("with_requirement", problem));
                }
                errors.extend(found);
                everything
            }
        };
        let mut demands = Demands {
            everything: &everything,
            implied: &self.implied,
            errors,
        };
        let routes = demands.of(
            "add_route_requirement",
            self.routes,
            |route, requirement| {
                if !route.starts_with('/') {
                    return Err("is no route; give one that starts with `/`");
                }
                if requirement.is_empty() {
                    return Err(
                        "has an empty requirement, which exempts from nothing; remove it, or \
                     declare the route anonymous",
                    );
                }
                Ok(())
            },
        );
        let operations = demands.of("require", self.operations, |operation, _| {
            let is_name = !operation.is_empty()
                && operation.len() <= MAX_NAME
                && operation.trim() == operation
                && !operation.chars().any(char::is_control);
            is_name.then_some(()).ok_or(
                "is no name of an operation; use up to 128 bytes, without control characters \
                 and without blanks around them",
            )
        });
        let errors = demands.errors;
        errors.into_result(StepUpStep(Arc::new(Requirements {
            everything: Demand::new(everything, &self.implied),
            routes,
            operations,
            rounds: Default::default(),
            unknown: Default::default(),
        })))
    }
}

/// Makes demands, each of what is required of everything and of one thing besides.
struct Demands<'a> {
    everything: &'a Requirement,
    implied: &'a ImpliedScopes,
    errors: ConfigErrors,
}

impl Demands<'_> {
    fn of(
        &mut self,
        setting: &'static str,
        named: Vec<(Box<str>, Requirement)>,
        check: fn(&str, &Requirement) -> Result<(), &'static str>,
    ) -> BTreeMap<Box<str>, Demand> {
        let mut demands = BTreeMap::new();
        for (name, requirement) in named {
            let found = problems(setting, &name, &requirement);
            if !found.is_empty() {
                self.errors.extend(found);
                continue;
            }
            let joined = check(&name, &requirement)
                .and_then(|()| self.everything.and(&requirement))
                .and_then(|joined| {
                    // Once, where it is a mistake of what is required of everything.
                    let is_own = !self.everything.is_unspeakable();
                    (!(joined.is_unspeakable() && is_own))
                        .then_some(joined)
                        .ok_or(UNSPEAKABLE)
                })
                .and_then(|joined| {
                    let is_there = demands.contains_key(&name);
                    (!is_there)
                        .then_some(joined)
                        .ok_or("is there twice; remove one")
                });
            match joined {
                Ok(joined) => {
                    demands.insert(name, Demand::new(joined, self.implied));
                }
                Err(problem) => self.errors.push(about(setting, &name, problem)),
            }
        }
        demands
    }
}

/// The mistakes that a requirement has kept.
fn problems(setting: &'static str, name: &str, requirement: &Requirement) -> ConfigErrors {
    let mut errors = ConfigErrors::default();
    for problem in requirement.problems() {
        errors.push(about(setting, name, problem));
    }
    errors
}

fn about(setting: &'static str, name: &str, problem: &str) -> ConfigError {
    ConfigError::new(setting, format!("`{}` {problem}", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Evidence, EvidenceKind, Timestamp};

    use super::*;

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
