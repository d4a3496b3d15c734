//! An account whose owners are two of three, with a guardian and a sub-key, and who is after its money.

use bytes::Bytes;
use datanet_ledger::app::FinalizedBlock;
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::authority;
use datanet_types::action::{ActionKind, ActionSet, GrantKey, Party, Recovery, SetKeys, Transfer};
use datanet_types::{Action, Amount, PublicKey};

use crate::support::{BALANCE, Chain, FEE, address, body, key, signed_for};

/// Whose money it is.
pub const VICTIM: u8 = 1;
/// Where it must not go.
pub const THIEF: u8 = 2;
/// Whom the sub-key may pay.
pub const SHOP: u8 = 3;
/// An account of its own that can recover the victim's.
pub const GUARDIAN: u8 = 4;
/// Keys of no account.
pub const OWNERS: [u8; 3] = [21, 22, 23];
pub const SUB_KEY: u8 = 31;

/// What the sub-key may spend in [`PERIOD`] seconds.
pub const BUDGET: Amount = 100_000;
pub const PERIOD: u64 = 10;
/// Seconds of a recovery.
pub const DELAY: u64 = 20;

pub fn public(seeds: &[u8]) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = seeds.iter().map(|seed| key(*seed).public_key()).collect();
    keys.sort_unstable();
    keys
}

pub fn owners(seeds: &[u8], threshold: u32) -> SetKeys {
    let recovery = Some(Recovery { guardian: address(GUARDIAN), seconds: DELAY });
    SetKeys { owners: public(seeds), threshold, recovery }
}

pub fn pay(to: u8, amount: Amount) -> Action {
    Action::Transfer(Transfer { to: address(to), amount })
}

/// The sub-key may pay the shop.
pub fn grant() -> GrantKey {
    GrantKey {
        key: key(SUB_KEY).public_key(),
        actions: ActionSet::from_iter([ActionKind::Transfer]).0,
        counterparties: vec![Party::Account(address(SHOP)).into()],
        budget: BUDGET,
        period_seconds: PERIOD,
        expires: 1_000_000,
    }
}

pub struct Account {
    pub chain: Chain,
    nonce: u64,
}

impl Account {
    /// Owned by the key of its address.
    pub fn new() -> Self {
        Self { chain: Chain::new(), nonce: 0 }
    }

    /// The same with a sub-key.
    pub fn with_sub_key() -> Self {
        let mut account = Self::new();
        account.done(&[VICTIM], Action::GrantKey(grant()));
        account
    }

    /// Owned by two of [`OWNERS`].
    pub fn shared() -> Self {
        let mut account = Self::new();
        account.done(&[VICTIM], Action::SetKeys(owners(&OWNERS, 2)));
        account
    }

    /// Signs for the victim's account.
    pub fn sign(&mut self, seeds: &[u8], action: Action) -> Bytes {
        self.nonce += 1;
        signed_for(VICTIM, seeds, &body(action, self.chain.next() + 200, self.nonce))
    }

    /// Signs for an account with its first key.
    pub fn sign_as(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed_for(who, &[who], &body(action, self.chain.next() + 200, self.nonce))
    }

    /// What becomes of it in a block of its own.
    pub fn send(&mut self, seeds: &[u8], action: Action) -> Code {
        let tx = self.sign(seeds, action);
        self.run(&[tx])[0]
    }

    pub fn done(&mut self, seeds: &[u8], action: Action) {
        assert_eq!(self.send(seeds, action), code::OK);
    }

    /// A block; says what was refused.
    pub fn run(&self, txs: &[Bytes]) -> Vec<Code> {
        let block: FinalizedBlock = self.chain.run(txs);
        for outcome in block.outcomes.iter().filter(|outcome| !outcome.is_ok()) {
            println!("refused ({}): {}", outcome.code, outcome.log);
        }
        Chain::codes(&block)
    }

    pub fn check(&self, tx: &Bytes) -> Code {
        self.chain.ledger.check_tx(tx, false).unwrap().code
    }

    /// Blocks without transactions, a second each.
    pub fn wait(&self, seconds: u64) {
        for _ in 0..seconds {
            self.chain.run(&[]);
        }
    }

    /// Block time of the next block, as the chain of these tests has it.
    pub fn now(&self) -> u64 {
        1_000 + self.chain.next()
    }

    /// The victim's money.
    pub fn money(&self) -> Amount {
        self.chain.balance(VICTIM)
    }

    /// What the sub-key has left.
    pub fn left(&self) -> Amount {
        let grant = authority::grant(&self.chain.ledger.reader(), &address(VICTIM), &key(SUB_KEY).public_key());
        grant.unwrap().unwrap().left_at(self.now())
    }

    /// What the thief has gained, and the victim lost.
    pub fn verdict(&self, attack: &str, lost_at_most: Amount) {
        let (gained, lost) = (i128::from(self.chain.balance(THIEF)) - i128::from(BALANCE), BALANCE - self.money());
        println!("{attack}: the thief gained {gained}, the account lost {lost} of at most {lost_at_most}");
        assert!(gained <= 0, "it paid");
        assert!(lost <= lost_at_most, "{lost}");
    }
}

/// Fees of so many transactions.
pub fn fees(count: u64) -> Amount {
    count * FEE
}
