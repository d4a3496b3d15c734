//! The key with which an agent signs vouchers: whoever opens a channel to another node for it names this key, and the channel's deposit is the
//! most that can be had from the agent there.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId, PublicKey, SigningKey};

/// The file in the agent's folder.
const FILE: &str = "voucher-key";

/// See the module.
pub struct VoucherKey(SigningKey);

impl std::fmt::Debug for VoucherKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VoucherKey")
    }
}

impl VoucherKey {
    /// The key in `state`, made if there is none.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn of(state: &Path) -> Result<Self> {
        let path = state.join(FILE);
        let shown = || format!("the agent's voucher key {}", path.display());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                crate::agent::control::made(state)?;
                let mut secret = [0; 32];
                getrandom::fill(&mut secret)
                    .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
                let text = hex::encode(secret);
                let mut file =
                    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).with_context(shown)?;
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(shown)?;
                text
            }
            Err(error) => return Err(error).with_context(shown),
        };
        let mut secret = [0; 32];
        hex::decode_to_slice(text.trim(), &mut secret).with_context(|| format!("{} is damaged", shown()))?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// What channels for the agent name.
    pub fn public(&self) -> PublicKey {
        self.0.public_key()
    }

    pub(super) fn sign(&self, chain: &str, channel: ChannelId, cumulative: Amount) -> SignedVoucher {
        SignedVoucher::sign(chain, channel, cumulative, &self.0)
    }
}
