use super::*;
use datanet_types::epoch::FeeShares;
use datanet_types::{DatanetId, Ppm, Signature, SigningKey};

pub(in crate::db) fn store() -> (tempfile::TempDir, LocalStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
    (dir, store)
}

pub(in crate::db) fn charge(channel: u16, cumulative: u64, fee: u64) -> Charge {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&channel.to_be_bytes());
    let voucher = SignedVoucher { channel: ChannelId(id), cumulative, signature: Signature::ZERO };
    let account = SigningKey::from_bytes(&[1; 32]).address().into();
    let split = FeeShares::STANDARD.split(fee);
    let key = EarningKey {
        account,
        role: EarningRole::Contributor,
        datanet: DatanetId::ZERO,
        contribution: None,
        by: EarnedBy::Answers,
    };
    Charge {
        payer: Some(Address([1; 20])),
        voucher: Some(voucher),
        taken: cumulative,
        spends: Vec::new(),
        totals: EpochTotals { answers: 1, fees: fee, split, unearned: split.claimable() - split.contributors },
        lines: vec![(key, Earning { amount: split.contributors, answers: 1, weights: Ppm::ONE, ..Earning::default() })],
        nets: Nets::default(),
        settled: Some(SettledReceipt { channel: ChannelId(id), cumulative, fee, ..SettledReceipt::default() }),
        params: 0,
    }
}

fn last(tx: &WriteTransaction) -> ServiceResult<u64> {
    Ok(table::get_in::<u64>(tx, META, SEQUENCE)?.unwrap_or_default())
}

/// Records it as the next answer.
pub(in crate::db) fn record(store: &LocalStore, charge: &Charge) -> ServiceResult<()> {
    store.write(|tx| put_answer(tx, last(tx)? + 1, &ReceiptId([1; 32]), charge))
}

#[test]
fn a_voucher_that_goes_backwards_changes_nothing() {
    let (_dir, store) = store();
    record(&store, &charge(1, 100, 100)).unwrap();
    assert_eq!(record(&store, &charge(1, 50, 100)).unwrap_err().code, Code::StaleVoucher);
    assert_eq!(record(&store, &charge(1, 100, 100)).unwrap_err().code, Code::StaleVoucher);
    assert_eq!(store.last_sequence().unwrap(), 1);
    let taken = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
    assert_eq!((taken.len(), taken[0].totals.fees, taken[0].lines[0].1.amount), (1, 100, 60));
    assert_eq!(taken[0].receipts, [charge(1, 100, 100).settled.unwrap()]);
    assert_eq!(store.accruing().unwrap(), []);
}

#[test]
fn what_was_promised_ahead_and_not_used_pays_for_the_next_answer_and_no_more_is_charged_than_was_used() {
    let (_dir, store) = store();
    // 100 were promised, and 40 used.
    let part = |promised: u64, taken: u64, fee| {
        let mut part = Charge { taken, ..charge(1, promised, fee) };
        part.settled.as_mut().unwrap().cumulative = taken;
        part
    };
    let channel = charge(1, 0, 0).voucher.unwrap().channel;
    record(&store, &part(100, 40, 40)).unwrap();
    assert_eq!(store.taken(&channel).unwrap(), 40);
    for (stale, why) in [
        (part(100, 40, 0), "nothing is taken with it"),
        (part(90, 60, 20), "an older voucher"),
        (part(110, 111, 71), "more than it promises"),
    ] {
        assert_eq!(record(&store, &stale).unwrap_err().code, Code::StaleVoucher, "{why}");
    }
    record(&store, &part(100, 60, 20)).unwrap();
    record(&store, &part(130, 70, 10)).unwrap();
    let taken = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
    assert_eq!((taken[0].taken(), taken[0].voucher.cumulative, taken[0].totals.fees), (70, 130, 70));
    assert_eq!(store.taken(&channel).unwrap(), 70, "settled or not");
}

#[test]
fn what_accrues_is_kept_and_taken_by_channel() {
    let (_dir, store) = store();
    for (channel, cumulative) in [(2, 100), (1, 50), (2, 200), (3, 7)] {
        record(&store, &charge(channel, cumulative, 50)).unwrap();
    }
    let taken = store.write(|tx| take(tx, 2, Amount::MAX)).unwrap();
    let amounts: Vec<_> = taken.iter().map(|share| (share.totals.fees, share.lines[0].1.amount)).collect();
    assert_eq!(amounts, [(50, 30), (100, 60)]);
    assert_eq!(taken[1].receipts.iter().map(|receipt| receipt.cumulative).collect::<Vec<_>>(), [100, 200]);
    assert_eq!(store.accruing().unwrap().len(), 1);
}

#[test]
fn no_more_is_taken_than_the_stake_covers_and_what_does_not_fit_keeps_no_other_from_it() {
    let (_dir, store) = store();
    for (channel, fee) in [(1, 500), (2, 50), (3, 50), (4, 50)] {
        record(&store, &charge(channel, fee, fee)).unwrap();
    }
    assert_eq!(store.unsettled_fees().unwrap(), 650);
    let taken = store.write(|tx| take(tx, 10, 100).and_then(|taken| put_unsettled(tx).map(|()| taken))).unwrap();
    assert_eq!((taken.len(), store.unsettled_fees().unwrap()), (2, 550));
    assert_eq!(store.write(|tx| take(tx, 10, 49)).unwrap().len(), 0);
    assert_eq!(store.write(|tx| take(tx, 10, 500)).unwrap()[0].totals.fees, 500);
}

#[test]
fn what_was_given_under_former_parameters_is_settled_first_and_by_itself() {
    let (_dir, store) = store();
    let under = |channel, cumulative, params| Charge { params, ..charge(channel, cumulative, 100) };
    record(&store, &under(1, 100, 4)).unwrap();
    record(&store, &under(2, 100, 5)).unwrap();
    assert!(store.accrued_before(5).unwrap());
    let error = record(&store, &under(1, 200, 5)).unwrap_err();
    assert_eq!(error.code, Code::Unsettled, "{error}");
    let taken = |params| {
        let shares = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
        assert!(shares.iter().all(|share| share.params == params), "{shares:?}");
        shares.len()
    };
    assert_eq!(taken(4), 1);
    record(&store, &under(1, 200, 5)).unwrap();
    assert!(!store.accrued_before(5).unwrap());
    assert_eq!(taken(5), 2);
}

#[test]
fn a_free_answer_is_numbered_and_pays_nobody() {
    let (_dir, store) = store();
    let free = Charge {
        payer: None,
        voucher: None,
        taken: 0,
        spends: Vec::new(),
        totals: EpochTotals::default(),
        lines: vec![],
        nets: Nets::default(),
        settled: None,
        params: 0,
    };
    record(&store, &free).unwrap();
    assert_eq!((store.last_sequence().unwrap(), store.accruing().unwrap()), (1, vec![]));
}
