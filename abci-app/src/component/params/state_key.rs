//! Keys of the parameters.

/// The parameters and the chain's id. Example: `params`
pub fn params() -> String {
    "params".to_owned()
}
