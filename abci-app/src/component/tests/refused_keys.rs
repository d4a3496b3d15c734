//! What is no set of owners, no grant, no recovery.

use datanet_types::PublicKey;
use datanet_types::action::{
    ActionKind, ActionSet, CancelRecovery, Counterparty, GrantKey, Party, RecoverKeys, Recovery, RevokeKey, SetKeys,
    Transfer,
};

use super::harness::{Chain, GAS, address, key, open_channel, register};
use crate::code;
use crate::component::authority::{self, MAX_GRANTS};

fn public(n: u8) -> PublicKey {
    key(n).public_key()
}

fn owners(people: &[u8], threshold: u32) -> SetKeys {
    let mut owners: Vec<PublicKey> = people.iter().map(|n| public(*n)).collect();
    owners.sort_unstable();
    SetKeys { owners, threshold, recovery: None }
}

fn grant(n: u8) -> GrantKey {
    let actions = ActionSet::from_iter([ActionKind::Transfer]).0;
    GrantKey { key: public(n), actions, counterparties: Vec::new(), budget: 1, period_seconds: 1, expires: u64::MAX }
}

#[test]
fn owners_out_of_bounds_are_refused() {
    let mut chain = Chain::new();
    let mut refused = |set: SetKeys, words| chain.refused(0, set, code::KEYS_INVALID, words);
    refused(owners(&[], 1), "1 to 16 owners");
    refused(owners(&(20..37).collect::<Vec<_>>(), 1), "1 to 16 owners");
    refused(owners(&[20, 21], 0), "threshold");
    refused(owners(&[20, 21], 3), "threshold");
    refused(owners(&[20, 20], 2), "each once");
    let mut unsorted = owners(&[20, 21], 2);
    unsorted.owners.reverse();
    refused(unsorted, "ascending order");
    // No point of the curve, and one of those under which any signature would do.
    for weak in [[2; 32], [0; 32]] {
        refused(SetKeys { owners: vec![PublicKey(weak)], ..owners(&[20], 1) }, "nobody could sign");
    }
    let with = |guardian, seconds| SetKeys { recovery: Some(Recovery { guardian, seconds }), ..owners(&[20], 1) };
    refused(with(address(0), 5), "another account");
    refused(with(address(1), 0), "seconds");
    refused(with(address(1), u64::MAX), "seconds");
}

#[test]
fn grants_out_of_bounds_are_refused() {
    let mut chain = Chain::new();
    chain.act(0, owners(&[0, 1], 1));
    let now = chain.block.seconds();
    let mut refused = |grant: GrantKey, words| chain.refused(0, grant, code::GRANT_INVALID, words);
    refused(GrantKey { key: PublicKey([2; 32]), ..grant(5) }, "nobody could sign");
    refused(grant(0), "make another");
    refused(grant(1), "an owner");
    refused(GrantKey { actions: 0, ..grant(5) }, "one action");
    refused(GrantKey { actions: 1 << 63, ..grant(5) }, "no other than there are");
    refused(GrantKey { budget: 0, ..grant(5) }, "fee");
    refused(GrantKey { period_seconds: 0, ..grant(5) }, "a period");
    refused(GrantKey { expires: now, ..grant(5) }, "a later time");
    let account = |n| Counterparty::from(Party::Account(address(n)));
    let with = |counterparties| GrantKey { counterparties, ..grant(5) };
    refused(with(vec![Counterparty { party: None }]), "counterparties");
    refused(with(vec![account(3), account(3)]), "once");
    let mut many: Vec<Counterparty> = (0..17).map(account).collect();
    many.sort_unstable();
    refused(with(many), "at most 16");
    for kind in ActionKind::ALL.iter().copied().filter(|kind| kind.is_for_owners()) {
        refused(GrantKey { actions: ActionSet::from_iter([kind]).0, ..grant(5) }, "never decides");
    }
}

#[test]
fn an_account_has_only_so_many_sub_keys_and_those_that_ended_make_room() {
    let mut chain = Chain::new();
    let expires = chain.block.seconds() + 1;
    chain.act(0, GrantKey { expires, ..grant(29) });
    chain.next();
    for n in 0..MAX_GRANTS as u8 {
        chain.act(0, grant(30 + n));
    }
    let all = authority::grants(&chain.state, &address(0)).unwrap();
    assert_eq!(all.len(), MAX_GRANTS);
    chain.refused(0, grant(29), code::GRANT_TOO_MANY, "revoke one");
    // The same once more takes no other place.
    chain.act(0, GrantKey { budget: 7, ..grant(30) });
    chain.act(0, RevokeKey { key: public(31) });
    chain.act(0, grant(29));
    chain.refused(0, RevokeKey { key: public(31) }, code::GRANT_UNKNOWN, "no sub-key");
    // Other owners: all of them have ended, and are forgotten with the next grant.
    chain.act(0, owners(&[0], 1));
    chain.act(0, grant(28));
    assert_eq!(authority::grants(&chain.state, &address(0)).unwrap().len(), 1);
}

#[test]
fn only_what_is_under_way_is_cancelled_and_only_a_guardian_recovers() {
    let mut chain = Chain::new();
    chain.refused(0, CancelRecovery {}, code::KEYS_NOT_RECOVERING, "no recovery");
    let recover = RecoverKeys { account: address(0), owners: vec![public(5)], threshold: 1 };
    chain.refused(1, recover.clone(), code::KEYS_GUARDIAN, "not the guardian");
    let recovery = Some(Recovery { guardian: address(1), seconds: 2 });
    chain.act(0, SetKeys { recovery, ..owners(&[0], 1) });
    chain.refused(2, recover.clone(), code::KEYS_GUARDIAN, "not the guardian");
    chain.refused(1, RecoverKeys { threshold: 2, ..recover.clone() }, code::KEYS_INVALID, "threshold");
    chain.act(1, recover.clone());
    chain.next();
    // Said again, it begins anew.
    chain.act(1, recover);
    chain.next();
    chain.act(0, CancelRecovery {});
    chain.refused(0, CancelRecovery {}, code::KEYS_NOT_RECOVERING, "no recovery");
}

#[test]
fn a_channel_of_several_signers_names_the_key_of_its_vouchers() {
    use datanet_types::{SignedTx, TxBody};
    let mut chain = Chain::new();
    chain.act(1, register(1, datanet_types::action::role::SERVING, 0));
    chain.act(0, owners(&[20, 21], 2));
    let expires_at = chain.now() + 900;
    let sign = |voucher_key, nonce| {
        let open = datanet_types::action::OpenChannel { voucher_key, ..open_channel(1, 5, expires_at) };
        let body = TxBody {
            chain_id: "test".into(),
            expiry: 50,
            fee: 1_000,
            gas_limit: GAS,
            nonce,
            account: address(0),
            action: Some(datanet_types::Action::OpenChannel(open)),
            ..TxBody::default()
        };
        SignedTx::verify(&body.sign_with(&[&key(20), &key(21)]).to_bytes(), "test").unwrap()
    };
    let told = chain.run(&sign(None, 1)).unwrap_err().to_string();
    assert!(told.contains("voucher_key"), "{told}");
    let weak = chain.run(&sign(Some(PublicKey([0; 32])), 2)).unwrap_err().to_string();
    assert!(weak.contains("nobody could sign vouchers"), "{weak}");
    let good = sign(Some(public(33)), 3);
    chain.run(&good).unwrap();
    let channel = crate::component::channels::get(&chain.state, &good.channel_id()).unwrap().unwrap();
    assert_eq!((channel.payer, channel.voucher_key), (address(0), public(33)));
}

/// What comes in through a sub-key's transaction is the account's, and no budget.
#[test]
fn money_that_comes_in_is_no_budget() {
    use datanet_types::{Action, SignedTx, TxBody};
    let mut chain = Chain::new();
    chain.act(0, GrantKey { budget: 10_000, period_seconds: 1_000, ..grant(20) });
    let mut send = |amount, nonce| {
        let action = Action::Transfer(Transfer { to: address(3), amount });
        let (account, action) = (address(0), Some(action));
        let (chain_id, gas_limit) = ("test".into(), GAS);
        let body = TxBody { chain_id, expiry: 50, fee: 1_000, nonce, account, gas_limit, tip: 0, action };
        let tx = SignedTx::verify(&body.sign(&key(20)).to_bytes(), "test").unwrap();
        chain.run(&tx).map(drop)
    };
    send(4_000, 1).unwrap();
    assert!(send(4_001, 2).unwrap_err().to_string().contains("until its next period"));
    send(3_000, 3).unwrap();
    let grant = authority::grant(&chain.state, &address(0), &public(20)).unwrap().unwrap();
    assert_eq!(grant.left_at(chain.block.seconds()), 0);
    chain.act(3, Transfer { to: address(0), amount: 1_000_000 });
    let grant = authority::grant(&chain.state, &address(0), &public(20)).unwrap().unwrap();
    assert_eq!(grant.left_at(chain.block.seconds()), 0);
}
