//! What the configuration names is there: folders and accounts. A node that starts without them fails later, far from
//! the mistake.

use std::path::Path;

use anyhow::{Result, bail};
use datanet_config::{ApiConfig, Home, NodeConfig, PublicConfig};

use crate::keyring::Keyring;

/// Folders and accounts that `config` names.
///
/// # Errors
/// When one is missing that the node cannot be without: its key, and what to do.
pub fn is_there(home: &Home, config: &NodeConfig) -> Result<()> {
    folder("models.folder", &config.models.folder, "`\"\"` takes the one in the node's home")?;
    folder("inference.model_dir", &config.inference.model_dir, "`\"\"` takes the model that `datanet setup` brings")?;
    let keys = Keyring::open(&home.keys())?;
    let missing = |account: &str| if account.is_empty() { None } else { keys.get(account).err() };
    let ApiConfig { payer, .. } = &config.api;
    if let Some(error) = missing(payer) {
        bail!("api.payer = {payer:?}: {error}; `\"\"` is none");
    }
    // It is often made at the running node, and nobody is offered to pay by transfer before it has a channel.
    let PublicConfig { till, .. } = &config.public;
    if let Some(error) = missing(till) {
        tracing::warn!("public.till = {till:?}: {error}; until then nobody can pay by a transfer");
    }
    Ok(())
}

/// An empty path is the default.
fn folder(key: &str, path: &Path, usual: &str) -> Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let wrong = if path.exists() { "is no folder" } else { "is not there" };
    bail!("{key} = {path:?} {wrong}; make that folder or name another, {usual}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::init_home;

    #[test]
    fn what_is_named_and_not_there_is_told_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let usual = NodeConfig::default();
        init_home(&home, &usual).unwrap();
        is_there(&home, &usual).unwrap();
        let mut fine = usual.clone();
        fine.models.folder = dir.path().to_owned();
        "node".clone_into(&mut fine.api.payer);
        is_there(&home, &fine).unwrap();
        "later".clone_into(&mut fine.public.till);
        is_there(&home, &fine).unwrap();
        let said = |change: &dyn Fn(&mut NodeConfig)| {
            let mut config = usual.clone();
            change(&mut config);
            is_there(&home, &config).unwrap_err().to_string()
        };
        let missing = said(&|config| config.models.folder = dir.path().join("none"));
        assert!(
            missing.contains("models.folder = ") && missing.contains("is not there; make that folder"),
            "{missing}"
        );
        let file = said(&|config| config.inference.model_dir = home.config());
        assert!(file.contains("inference.model_dir = ") && file.contains("is no folder"), "{file}");
        for payer in ["nope", "a b"] {
            let nobody = said(&|config| payer.clone_into(&mut config.api.payer));
            assert!(nobody.contains("api.payer = ") && nobody.contains(payer), "{nobody}");
        }
    }
}
