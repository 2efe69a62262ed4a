//! What a store says when it cannot say: what an operator has to look at, and nothing that is kept.

use std::fmt;

use portcullis_core::StoreError;
use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

/// Why something could not be read or written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file cannot be used as it is. What else was asked with it has failed as well.
    File(StoreError),
    /// What was asked cannot be answered. Nothing has been changed for it.
    Question(StoreError),
}

impl Failure {
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::File(error) | Self::Question(error) => error,
        }
    }
}

/// What is damaged is damaged for who asks for it.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Question(error)
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::File(describe(&error))
            }
        }
    )+};
}
from_redb!(
    CommitError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);

fn describe(error: &impl fmt::Display) -> StoreError {
    StoreError::new(format!("the file of the store cannot be used: {error}"))
}
