//! Keys of the parameters.

/// The present parameters and the chain's id. Example: `params`
pub fn params() -> String {
    "params".to_owned()
}

/// Parameters that held before. Example: `params/version/00000000000000000003`
pub fn version(number: u64) -> String {
    format!("params/version/{number:020}")
}

/// Parameters that are announced. Example: `params/next`
pub fn next() -> String {
    "params/next".to_owned()
}
