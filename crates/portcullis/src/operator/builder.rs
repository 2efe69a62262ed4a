//! The settings of an operator.

use std::{fmt, sync::Arc};

use portcullis_core::{ConfigError, ConfigErrors};

use super::{OPERATIONS, Operator};
use crate::{
    path,
    stack::GateHandle,
    step_up::{Requirement, StepUpSettings},
};

/// The settings of an [`Operator`]. Setters keep their mistakes; [`build`](Self::build) reports
/// them, all at once.
#[must_use = "nothing is served until `build` is called and the service is mounted"]
pub struct OperatorBuilder {
    handle: GateHandle,
    requirement: Option<Requirement>,
    besides: Vec<(Box<str>, Requirement)>,
    base_path: Box<str>,
}

impl OperatorBuilder {
    pub(super) fn new(handle: GateHandle) -> Self {
        Self {
            handle,
            requirement: None,
            besides: Vec::new(),
            base_path: "".into(),
        }
    }

    /// What a caller has to have for any of it. Required, and with at least one scope.
    pub fn with_requirement(mut self, requirement: Requirement) -> Self {
        self.requirement = Some(requirement);
        self
    }

    /// What one of the [`OPERATIONS`] requires besides.
    pub fn require(mut self, operation: impl Into<Box<str>>, requirement: Requirement) -> Self {
        self.besides.push((operation.into(), requirement));
        self
    }

    /// What stands before every path, such as `/operator`, where the service is mounted below one
    /// and is shown it. `axum::Router::nest_service` takes it away. Nothing by default.
    pub fn with_base_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when no scope is required.
    pub fn build(self) -> Result<Operator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let scopes = self.requirement.as_ref().map(Requirement::has_scopes);
        if scopes != Some(true) {
            let problem = match scopes {
                None => {
                    "was not called; name a scope that those have who may end sessions of others"
                }
                Some(_) => {
                    "asks for no scope, so that whoever authenticates could end sessions of \
                     others; name one by `Requirement::with_scopes`"
                }
            };
            errors.push(ConfigError::new("with_requirement", problem));
        }
        let base = &*self.base_path;
        let is_base = base.is_empty()
            || (base.len() > 1
                && base.starts_with('/')
                && !base.ends_with('/')
                && !base.contains(['?', '#'])
                && path::is_normal(base).is_ok());
        if !is_base {
            errors.push(ConfigError::new(
                "with_base_path",
                "is no path below the root; give one like `/operator`, without a slash at its end",
            ));
        }
        let unknown = |(name, _): &&(Box<str>, Requirement)| !OPERATIONS.contains(&&**name);
        for (name, _) in self.besides.iter().filter(unknown) {
            errors.push(ConfigError::new(
                "require",
                format!(
                    "names `{}`, which is no operation of an operator; take one of `OPERATIONS`",
                    name.escape_debug()
                ),
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let requirements = StepUpSettings::of_operations(
            self.requirement.unwrap_or_default(),
            OPERATIONS,
            self.besides,
        )
        .assemble()?;
        Ok(Operator::new(
            self.handle,
            Arc::clone(requirements.requirements()),
            self.base_path,
        ))
    }
}

impl fmt::Debug for OperatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorBuilder")
            .field("requirement", &self.requirement)
            .field("besides", &self.besides)
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Authenticator, Check, Description, RequestView, Verdict};

    use super::*;
    use crate::Stack;

    struct Nobody;

    impl Authenticator for Nobody {
        fn describe(&self) -> Description {
            Description::bearer("nobody")
        }

        fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
            Check::Done(Verdict::Absent)
        }
    }

    fn builder() -> OperatorBuilder {
        let stack = Stack::builder()
            .with_resource("https://agent.example/")
            .add_authenticator(Nobody);
        Operator::builder(&stack.build().unwrap().1)
    }

    fn scope() -> Requirement {
        Requirement::new().with_scopes("operate")
    }

    #[test]
    fn every_mistake_is_named_with_its_setting() {
        let recent = || Requirement::new().with_max_age(std::time::Duration::from_secs(60));
        for (builder, setting, word) in [
            (builder(), "with_requirement", "was not called"),
            (
                builder().with_requirement(recent()),
                "with_requirement",
                "no scope",
            ),
            (
                builder()
                    .with_requirement(scope())
                    .require("revoke", recent()),
                "require",
                "`revoke`",
            ),
            (
                builder()
                    .with_requirement(scope())
                    .with_base_path("operator"),
                "with_base_path",
                "`/operator`",
            ),
            (
                builder().with_requirement(scope()).with_base_path("/a/../"),
                "with_base_path",
                "`/operator`",
            ),
            (
                builder()
                    .with_requirement(scope())
                    .require(OPERATIONS[0], scope())
                    .require(OPERATIONS[0], scope()),
                "require",
                "twice",
            ),
        ] {
            let errors = builder.build().unwrap_err().to_string();
            assert!(errors.contains(&format!("`{setting}`")), "{errors}");
            assert!(errors.contains(word), "{errors}");
        }
        assert_eq!(
            builder()
                .require("x", scope())
                .with_base_path("/")
                .build()
                .unwrap_err()
                .iter()
                .count(),
            3
        );
        let built = builder()
            .with_requirement(scope())
            .require("operator.revoke.issuer", recent())
            .with_base_path("/operator");
        assert!(built.build().is_ok());
    }
}
