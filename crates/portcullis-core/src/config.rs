//! What is wrong with a configuration.

use std::fmt;

/// One setting that cannot work: its name, and the fix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    setting: Box<str>,
    problem: Box<str>,
}

impl ConfigError {
    /// The setting as users write it, such as `with_resource`, and what is wrong with it and
    /// how to mend it: lower case, without secrets.
    #[must_use]
    pub fn new(setting: impl Into<Box<str>>, problem: impl Into<Box<str>>) -> Self {
        Self {
            setting: setting.into(),
            problem: problem.into(),
        }
    }

    /// The setting as users write it.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// What is wrong with it and how to mend it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.setting, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Every setting that cannot work.
///
/// `Debug` reads as `Display` does: it is what `unwrap` and a `main` that returns it print.
///
/// # Example
///
/// ```
/// use portcullis_core::{ConfigError, ConfigErrors};
///
/// let mut errors = ConfigErrors::default();
/// errors.push(ConfigError::new("with_leeway", "is longer than 60 s; shorten it"));
/// let error = errors.into_result(()).unwrap_err();
/// assert_eq!(error.to_string(), "`with_leeway`: is longer than 60 s; shorten it");
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Adds a problem.
    pub fn push(&mut self, error: ConfigError) {
        self.0.push(error);
    }

    /// Adds all problems of another part.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// The value, if there is no problem.
    ///
    /// # Errors
    ///
    /// The problems, if there is one.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigErrors {}
