//! One error for every operation a user can ask for: what went wrong, in words that name the fix, with a stable code.
//!
//! The [`Code`] says why and has one [`ErrorKind`]; what a kind is on the wire is the interface's affair alone. The error
//! behind one of this node's own failures is kept as its source.

mod code;

pub use code::Code;

use std::borrow::Cow;
use std::sync::Arc;

type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// What kind of refusal or failure: whose it is to mend, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong.
    BadRequest,
    /// Whoever asks did not show that they may.
    Unauthorized,
    /// Money is missing.
    PaymentRequired,
    /// Known and refused.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is such a thing, but it does not take this.
    WrongMethod,
    /// It clashes with what is there.
    Conflict,
    /// Longer than allowed.
    TooLarge,
    /// A format that is not read.
    Unsupported,
    /// Well formed, but not acceptable.
    Unprocessable,
    /// Try again later: too much at once.
    Overloaded,
    /// This node's fault.
    Internal,
    /// A part of this node is missing or not ready.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// The disk or the memory is full.
    StorageFull,
}

/// Why an operation was refused or failed.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong and what to do.
    pub detail: String,
    /// The path of the request's field that is at fault, where one is: `messages[0].role`.
    pub param: Option<Cow<'static, str>>,
    /// Seconds after which to try again, where that is known.
    pub retry_after: Option<u64>,
    source: Option<Source>,
}

/// Result of an operation.
pub type ServiceResult<T> = Result<T, ServiceError>;

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl ServiceError {
    /// An error in words that name the fix.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), param: None, retry_after: None, source: None }
    }

    /// One that another error is behind; it is said in that one's words, and kept as the source.
    pub fn caused(code: Code, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..Self::new(code, String::new()) }.in_its_words()
    }

    fn in_its_words(mut self) -> Self {
        self.detail = self.source.as_ref().map(ToString::to_string).unwrap_or_default();
        self
    }

    /// Names the field at fault, by its path in the request.
    pub fn about(self, param: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// Says after how many seconds it is worth trying again.
    pub fn again_in(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// What kind of refusal or failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.code.kind()
    }

    /// Whether the ledger has refused a transaction for good, so that it can't be in a later block.
    pub fn is_ledgers_verdict(&self) -> bool {
        use Code::{ComponentStopped, InsufficientFunds, TransactionExpired, TransactionRefused, TransactionReplayed};
        matches!(
            self.code,
            TransactionRefused | InsufficientFunds | TransactionReplayed | TransactionExpired | ComponentStopped
        )
    }

    /// Any I/O failure of this node; a full disk is told apart, because the user can mend it.
    pub fn io(context: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let causes = || std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| inner(*error));
        let mut kinds = causes().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        if kinds.any(|kind| matches!(kind, StorageFull | QuotaExceeded)) {
            return Self::new(Code::DiskFull, format!("{context}: the disk is full; free space and try again"));
        }
        let cause = causes().last().unwrap_or(error);
        Self::new(Code::Io, format!("{context}: {cause}"))
    }
}

/// The next error inward. Stores and libraries wrap I/O errors in one another, and the `source` of an I/O error that
/// wraps another error skips the one it wraps.
fn inner<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    let io = error.downcast_ref::<std::io::Error>();
    let wrapped = io.and_then(std::io::Error::get_ref).map(|inner| inner as &'a (dyn std::error::Error + 'static));
    wrapped.or_else(|| error.source())
}

impl From<datanet_ledger::state::StateError> for ServiceError {
    fn from(error: datanet_ledger::state::StateError) -> Self {
        Self::caused(Code::LedgerState, error)
    }
}

impl From<datanet_types::id::IdError> for ServiceError {
    fn from(error: datanet_types::id::IdError) -> Self {
        Self::caused(Code::BadId, error)
    }
}

impl From<datanet_ledger::app::AppError> for ServiceError {
    fn from(error: datanet_ledger::app::AppError) -> Self {
        Self::caused(Code::Ledger, error)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_the_users_to_mend_and_other_failures_are_not() {
        let full = ServiceError::io("cannot store the upload", &Error::from(ErrorKind::StorageFull));
        assert_eq!((full.kind(), full.code), (super::ErrorKind::StorageFull, Code::DiskFull));
        assert!(full.detail.contains("free space"), "{full}");
        let denied = ServiceError::io("cannot store the upload", &Error::from(ErrorKind::PermissionDenied));
        assert_eq!((denied.kind(), denied.code), (super::ErrorKind::Internal, Code::Io));
    }

    #[test]
    fn what_is_behind_a_failure_is_kept() {
        let failed = ServiceError::caused(Code::Index, Error::other("a bad sector"));
        assert_eq!(failed.to_string(), "a bad sector");
        assert!(std::error::Error::source(&failed).unwrap().downcast_ref::<Error>().is_some());
    }
}
