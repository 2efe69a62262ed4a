//! What is made of the settings of the `step_up` layer, and what is wrong with them.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_core::{ConfigError, ConfigErrors, Scopes};

use super::{
    Requirement,
    decide::StepUpStep,
    demand::{Demand, ImpliedScopes},
    requirements::Requirements,
};

/// The longest name of an operation, in bytes.
const MAX_NAME: usize = 128;

/// What is wrong with a requirement that no challenge could say.
const UNSPEAKABLE: &str = "requires an amr, which a challenge cannot name, so that no client could \
    ask for it; name the class that stands for it with `add_acr_hint`, or with `add_acr` if tokens \
    have to carry it";

/// What `step_up` is made from, beside what every layer has.
#[derive(Debug, Default)]
pub(crate) struct StepUpSettings {
    pub(super) everything: Option<Requirement>,
    pub(super) routes: Vec<(Box<str>, Requirement)>,
    pub(super) operations: Vec<(Box<str>, Requirement)>,
    pub(super) implied: ImpliedScopes,
}

impl StepUpSettings {
    /// What all of these operations require, and some of them besides.
    pub(crate) fn of_operations(
        everything: Requirement,
        names: impl IntoIterator<Item = &'static str>,
        besides: Vec<(Box<str>, Requirement)>,
    ) -> Self {
        let mut operations = besides;
        for name in names {
            if operations.iter().all(|(named, _)| **named != *name) {
                operations.push((name.into(), Requirement::new()));
            }
        }
        Self {
            everything: Some(everything),
            operations,
            ..Self::default()
        }
    }

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
