//! A key, and the account that it signs for; and the file that it lies in.

use std::path::Path;

use datanet_api::keys::KeyInfo;
use datanet_types::{Address, PublicKey, SigningKey};

use super::write_private;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::tokens::Spender;

/// A key of this node, and the account that it signs for: the one that its address was made of, or another whose owners let it.
#[derive(Debug, Clone)]
pub struct AccountKey {
    account: Address,
    secret: SigningKey,
    /// What it was before it was rotated, the latest last: channels that were opened with one take its vouchers still.
    former: Vec<SigningKey>,
    /// What it is being rotated to. It is on disk before anybody is told of it.
    next: Option<SigningKey>,
    /// The token of whoever was given it, whose limit what it signs is taken of.
    spender: Option<Spender>,
}

impl From<SigningKey> for AccountKey {
    /// Of the account that its address is made of.
    fn from(secret: SigningKey) -> Self {
        Self::of_account(secret.address(), secret)
    }
}

impl AccountKey {
    /// A key that signs for `account`.
    pub fn of_account(account: Address, secret: SigningKey) -> Self {
        Self { account, secret, former: Vec::new(), next: None, spender: None }
    }

    /// The account that it signs for.
    pub fn address(&self) -> Address {
        self.account
    }

    /// The same key for an account that its own governs: an agent's.
    pub(crate) fn speaking_for(self, account: Address) -> Self {
        Self { account, ..self }
    }

    /// What signatures are checked against.
    pub fn public_key(&self) -> PublicKey {
        self.secret.public_key()
    }

    /// The secret itself.
    pub fn secret(&self) -> &SigningKey {
        &self.secret
    }

    /// The secret behind `public_key`, if it is or was this key's.
    pub fn secret_of(&self, public_key: &PublicKey) -> Option<&SigningKey> {
        let mut all = std::iter::once(&self.secret).chain(&self.former);
        all.find(|secret| secret.public_key() == *public_key)
    }

    /// The same for a token to use.
    pub(crate) fn spent_by(self, spender: Spender) -> Self {
        Self { spender: Some(spender), ..self }
    }

    /// The token that pays for what it signs; none if it is the operator, or the node itself.
    pub fn spender(&self) -> Option<&Spender> {
        self.spender.as_ref()
    }

    /// What it is being rotated to.
    pub fn next(&self) -> Option<&SigningKey> {
        self.next.as_ref()
    }

    /// The same on its way to `next`.
    pub(super) fn heading_for(self, next: SigningKey) -> Self {
        Self { next: Some(next), ..self }
    }

    /// The same when it has arrived there.
    pub(super) fn rotated(mut self) -> Self {
        if let Some(next) = self.next.take() {
            self.former.push(std::mem::replace(&mut self.secret, next));
        }
        self
    }

    /// How likely it speaks for its account, as far as is known without the ledger: the address's own key, or one that an owner was
    /// rotated to, rather than a sub-key.
    pub(super) fn standing(&self) -> u8 {
        u8::from(!self.former.is_empty()).max(u8::from(self.secret.address() == self.account).saturating_mul(2))
    }

    pub(super) fn info(&self, name: &str) -> KeyInfo {
        KeyInfo { name: name.to_owned(), address: self.account, public_key: self.public_key() }
    }
}

/// As it lies on disk.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    name: String,
    /// Made of `public_key`.
    address: Address,
    public_key: PublicKey,
    secret_key: String,
    /// The account that it signs for, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Address>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_secret_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_secret_key: Option<String>,
}

/// The name and the key in a file's JSON; `bad` says of which file something is wrong.
pub(super) fn read(
    json: serde_json::Value,
    bad: &dyn Fn(&dyn std::fmt::Display) -> ServiceError,
) -> ServiceResult<(String, AccountKey)> {
    let file: KeyFile = serde_json::from_value(json).map_err(|error| bad(&error))?;
    let secret_of = |text: &String| {
        let mut secret = [0; 32];
        hex::decode_to_slice(text, &mut secret).map_err(|error| bad(&error))?;
        Ok(SigningKey::from_bytes(&secret))
    };
    let secret = secret_of(&file.secret_key)?;
    if secret.address() != file.address || secret.public_key() != file.public_key {
        return Err(bad(&"secret key and address do not belong together"));
    }
    let former = file.former_secret_keys.iter().map(secret_of).collect::<ServiceResult<_>>()?;
    let next = file.next_secret_key.as_ref().map(secret_of).transpose()?;
    let key = AccountKey { former, next, ..AccountKey::of_account(file.account.unwrap_or(file.address), secret) };
    Ok((file.name, key))
}

/// Writes beside, syncs, then renames, so that a crash never leaves half a key.
pub(super) fn write(path: &Path, name: &str, key: &AccountKey) -> ServiceResult<()> {
    let text_of = |secret: &SigningKey| hex::encode(secret.to_bytes());
    let address = key.secret.address();
    let file = KeyFile {
        name: name.to_owned(),
        address,
        public_key: key.public_key(),
        secret_key: text_of(&key.secret),
        account: (key.account != address).then_some(key.account),
        former_secret_keys: key.former.iter().map(text_of).collect(),
        next_secret_key: key.next.as_ref().map(text_of),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|error| ServiceError::caused(Code::KeyEncoding, error))?;
    write_private(path, text.as_bytes())
        .map_err(|error| ServiceError::io(&format!("cannot write {}", path.display()), &error))
}
