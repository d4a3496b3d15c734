//! One error for every operation a user can ask for: what went wrong, in words that name the fix, and the HTTP status
//! and stable code that the API shows (RFC 9457).

/// Why an operation was refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct ServiceError {
    /// HTTP status.
    pub status: u16,
    /// Stable, machine-readable: `unknown-datanet`.
    pub code: &'static str,
    /// For people: what is wrong and what to do.
    pub detail: String,
}

/// Result of an operation.
pub type ServiceResult<T> = Result<T, ServiceError>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal),* $(,)?) => {
        impl ServiceError {
            $($(#[$doc])*
            pub fn $name(code: &'static str, detail: impl Into<String>) -> Self {
                Self { status: $status, code, detail: detail.into() }
            })*
        }
    };
}

kinds! {
    /// The request is wrong: 400.
    bad_request = 400,
    /// Money is missing: 402.
    payment_required = 402,
    /// Known and refused: 403.
    forbidden = 403,
    /// There is no such thing: 404.
    not_found = 404,
    /// It clashes with what is there: 409.
    conflict = 409,
    /// Longer than allowed: 413.
    too_large = 413,
    /// A format that is not read: 415.
    unsupported = 415,
    /// Well formed, but not acceptable: 422.
    unprocessable = 422,
    /// Try again later: 429.
    overloaded = 429,
    /// This node's fault: 500.
    internal = 500,
    /// A part of this node is missing or not ready: 503.
    unavailable = 503,
    /// It took too long: 504.
    timed_out = 504,
    /// The disk is full: 507.
    storage_full = 507,
}

impl ServiceError {
    /// Whether the ledger has refused a transaction for good, so that it can't be in a later block.
    pub fn is_ledgers_verdict(&self) -> bool {
        matches!(self.code, "transaction-refused" | "transaction-expired")
    }

    /// Any I/O failure of this node; a full disk is told apart, because the user can mend it.
    pub fn io(context: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let causes = || std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| inner(*error));
        let mut kinds = causes().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        if kinds.any(|kind| matches!(kind, StorageFull | QuotaExceeded)) {
            return Self::storage_full("disk-full", format!("{context}: the disk is full; free space and try again"));
        }
        let cause = causes().last().unwrap_or(error);
        Self::internal("io", format!("{context}: {cause}"))
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
        Self::internal("ledger-state", error.to_string())
    }
}

impl From<datanet_types::id::IdError> for ServiceError {
    fn from(error: datanet_types::id::IdError) -> Self {
        Self::bad_request("bad-id", error.to_string())
    }
}

impl From<datanet_ledger::app::AppError> for ServiceError {
    fn from(error: datanet_ledger::app::AppError) -> Self {
        Self::internal("ledger", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_the_users_to_mend_and_other_failures_are_not() {
        let full = ServiceError::io("cannot store the upload", &Error::from(ErrorKind::StorageFull));
        assert_eq!((full.status, full.code), (507, "disk-full"));
        assert!(full.detail.contains("free space"), "{full}");
        let denied = ServiceError::io("cannot store the upload", &Error::from(ErrorKind::PermissionDenied));
        assert_eq!((denied.status, denied.code), (500, "io"));
    }
}
