//! Statements that are what they should be; those that are not are in [`attacks`].

mod attacks;

use std::collections::BTreeSet;

use datanet_ledger::component::settlement::Epoch;
use datanet_types::epoch::{FeeSplit, MAX_ACCOUNTS};
use datanet_types::paged_tree::pages;
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::MAX_ANSWERS;
use datanet_types::{
    Account, Address, Amount, ChannelId, ContributionId, DatanetId, Digest, ModelId, ModuleAddress, Ppm, ReceiptId,
};
use proptest::prelude::*;

use super::*;

const NODE: NodeKey = NodeKey([1; 32]);
const CHAIN: &str = "c";

/// The nth account in order.
fn account(n: u32) -> Account {
    let mut address = [7; 20];
    address[..4].copy_from_slice(&n.to_be_bytes());
    Address(address).into()
}

fn line(account: Account, contribution: u32, amount: Amount) -> EarningLine {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&contribution.to_be_bytes());
    let (role, datanet) = (EarningRole::Contributor, DatanetId([3; 32]));
    let key = EarningKey { account, role, datanet, contribution: Some(ContributionId(id)), by: EarnedBy::Answers };
    (key, Earning { amount, answers: 1, weights: Ppm::ONE, ..Earning::default() })
}

fn receipt(n: u32) -> SettledReceipt {
    SettledReceipt {
        channel: ChannelId([u8::try_from(n / 1_500).unwrap(); 32]),
        cumulative: u64::from(n % 1_500 + 1) * 5,
        fee: 5,
        receipt: ReceiptId([4; 32]),
        digest: Digest(*blake3::hash(&n.to_be_bytes()).as_bytes()),
    }
}

/// Of so many accounts, with a line each, and so many answers.
fn statement(accounts: u32, answers: u32) -> Statement {
    let leaf = |n: u32| EpochLeaf { account: account(n), amount: u64::from(n % 50) + 1 };
    let leaves: Vec<EpochLeaf> = (0..accounts).map(leaf).collect();
    let lines = leaves.iter().map(|leaf| line(leaf.account, 0, leaf.amount)).collect();
    complete(Statement {
        leaves,
        lines,
        receipts: (0..answers).map(receipt).collect(),
        ..Statement::of(CHAIN, NODE, &Settling { epoch: 1, shares: vec![] }, Closing::default())
    })
}

/// With the totals that its leaves and receipts give.
fn complete(statement: Statement) -> Statement {
    let split = FeeSplit { contributors: statement.leaves.iter().map(|leaf| leaf.amount).sum(), ..FeeSplit::default() };
    let (answers, fees) = (statement.receipts.len() as u64, statement.receipts.iter().map(|one| one.fee).sum());
    Statement { totals: EpochTotals { answers, fees, split, unearned: 0 }, ..statement }
}

/// What the ledger says of it.
fn settled(statement: &Statement) -> Epoch {
    let (root, receipts) = (statement.tree().unwrap().digest, statement.receipts_tree().unwrap().digest);
    let (totals, accounts) = (statement.totals, statement.accounts());
    Epoch { node: NODE, epoch: statement.epoch, root, totals, accounts, receipts, ..Epoch::default() }
}

fn index(statement: &Statement) -> (Index, Paged) {
    let paged = statement.paged().unwrap();
    (Index::parse(&paged.index, CHAIN, &settled(statement)).unwrap(), paged)
}

/// The page that an index names, as whoever has its blob gives it.
fn page<E: Entry>(index: &Index, paged: &Paged, number: usize) -> Vec<E> {
    let wanted = index.page::<E>(number).unwrap();
    let is_it = |page: &&Vec<u8>| *blake3::hash(page).as_bytes() == wanted.blob.0;
    let bytes = paged.pages.iter().find(is_it).unwrap();
    assert_eq!(bytes.len() as u64, wanted.bytes);
    index.read(number, bytes).unwrap()
}

#[test]
fn every_account_proves_its_leaf_by_the_index_and_one_page() {
    for accounts in [0, 1, 5, 1_024, 1_025, 2_500] {
        let statement = statement(accounts, 3);
        let (index, paged) = index(&statement);
        let tree = settled(&statement).tree();
        for leaf in statement.leaves.iter().step_by(97).chain(statement.leaves.last()) {
            let number = index.leaf_page(&leaf.account).unwrap();
            let (amount, proof) = index.prove(number, &page(&index, &paged, number), &leaf.account).unwrap();
            assert_eq!(amount, leaf.amount);
            assert!(proof.verify(leaf.node(CHAIN, &NODE, 1), &tree) && proof.total == u64::from(accounts));
        }
        let nobody = Account::from(Address([255; 20]));
        assert!(index.leaf_page(&nobody).is_none() && index.line_pages(&nobody).is_empty());
        let named = index.pages().count() as u64;
        assert_eq!(named, 2 * pages(u64::from(accounts)) + 1);
        let all: u64 = paged.pages.iter().map(|page| page.len() as u64).sum();
        assert_eq!(index.total_bytes(), all + paged.index.len() as u64);
    }
}

#[test]
fn a_receipt_for_the_same_money_is_found_on_its_page_with_its_proof() {
    let statement = statement(3, 3_000);
    let (index, paged) = index(&statement);
    for at in [0, 1_023, 1_024, 1_499, 1_500, 2_999] {
        let settled = statement.receipts[at];
        let find = |given: &ReceiptHead| {
            let mut pages = index.receipt_pages(given);
            assert!(pages.len() <= 2, "{pages:?}");
            pages.find_map(|number| index.contradiction(number, &page(&index, &paged, number), given))
        };
        assert_eq!(find(&settled.head()), None);
        let given = ReceiptHead { digest: Digest([8; 32]), ..settled.head() };
        let (found, proof) = find(&given).unwrap();
        assert_eq!(found, settled);
        assert!(proof.verify(settled.node(CHAIN, &NODE, 1), &statement.receipts_tree().unwrap()));
        assert_eq!(find(&ReceiptHead { channel: Some(ChannelId([77; 32])), ..given }), None);
        assert_eq!(find(&ReceiptHead { channel: None, ..given }), None);
        // One over more money than one answer took.
        let wide = ReceiptHead { cumulative: settled.cumulative + 2, fee: 4, ..given };
        assert!(find(&wide).is_some());
    }
}

#[test]
fn an_account_with_more_reasons_than_a_page_holds_has_them_on_as_many_pages_as_it_takes() {
    let mut statement = statement(3, 1);
    let rich = statement.leaves[1].account;
    statement.lines = [0, 2].map(|at| line(statement.leaves[at].account, 0, statement.leaves[at].amount)).to_vec();
    statement.lines.splice(1..1, (0..3_000).map(|n| line(rich, n, 2)));
    statement.leaves[1].amount = 6_000;
    let statement = complete(statement);
    let (index, paged) = index(&statement);
    assert_eq!((index.line_pages(&rich), index.line_count), (0..3, 3_002));
    let lines = index.line_pages(&rich).flat_map(|number| page::<EarningLine>(&index, &paged, number));
    let lines: Vec<_> = lines.filter(|(key, _)| key.account == rich).collect();
    assert_eq!((lines.len(), lines.iter().map(|line| line.amount()).sum::<u64>()), (3_000, 6_000));
    assert_eq!(index.line_pages(&statement.leaves[0].account), 0..1);
    assert_eq!(index.line_pages(&statement.leaves[2].account), 2..3);
    let mut explained = Explained::new(&statement.leaves);
    (0..3).for_each(|number| explained.add(&page::<EarningLine>(&index, &paged, number)).unwrap());
    explained.finish().unwrap();
}

#[test]
fn what_two_epochs_say_alike_is_one_blob() {
    let first = statement(5_000, 10);
    let mut second = Statement { epoch: 2, ..first.clone() };
    second.leaves[2_100].amount += 1;
    second.lines[2_100].1.amount += 1;
    let second = complete(second);
    let hashes =
        |statement: &Statement| -> BTreeSet<BlobHash> { index(statement).0.pages().map(|page| page.blob).collect() };
    let (first, second) = (hashes(&first), hashes(&second));
    assert_eq!((first.len(), second.difference(&first).count()), (11, 2), "a page of leaves, and one of lines");
}

#[test]
fn lines_say_of_each_account_what_its_leaf_does() {
    let statement = statement(4, 1);
    let explained = |lines: &[EarningLine]| {
        let mut explained = Explained::new(&statement.leaves);
        explained.add(lines).and_then(|()| explained.finish())
    };
    let good = statement.lines.clone();
    assert_eq!(explained(&good), Ok(()));
    let mut more = good.clone();
    let treasury = Account::from(ModuleAddress([1; 32]));
    more.push((EarningKey { account: treasury, role: EarningRole::Treasury, ..more[0].0.clone() }, more[0].1));
    more.insert(1, line(account(0), 1, 0));
    assert_eq!(explained(&more), Ok(()), "what is the treasury's, and nothing, are no leaves");
    let wrong = |change: &dyn Fn(&mut Vec<EarningLine>), why: &str| {
        let mut lines = good.clone();
        change(&mut lines);
        let reason = explained(&lines).unwrap_err();
        assert!(reason.contains(why), "{reason}");
    };
    wrong(&|lines| lines[2].1.amount += 1, "earned 4, and its leaves do not");
    wrong(&|lines| _ = lines.remove(1), "its leaves do not");
    wrong(&|lines| _ = lines.pop(), "no lines say why");
    wrong(&|lines| lines.insert(1, lines[0].clone()), "not ordered, each once");
    wrong(&|lines| lines.swap(0, 1), "not ordered");
    wrong(&|lines| lines.push(line(account(9), 0, 1)), "its leaves do not");
    wrong(&|lines| lines.insert(1, line(account(0), 1, Amount::MAX)), "sum to too much");
}

#[test]
fn an_epoch_with_more_reasons_than_a_statement_lists_has_those_of_all_contributions_in_one() {
    let lines: Vec<_> = (0..6).map(|n| line(account(n / 3), n, 5)).collect();
    assert_eq!(fewer(lines.clone(), 6), lines);
    let sums: Vec<_> =
        fewer(lines, 5).iter().map(|(key, sum)| (key.account, key.contribution, sum.amount, sum.answers)).collect();
    assert_eq!(sums, [(account(0), None, 15, 3), (account(1), None, 15, 3)]);
}

/// What a contribution earned by netted answers of a model.
fn netted(contribution: u32, model: u8, share: u64) -> EarningLine {
    let (key, _) = line(account(1), contribution, 0);
    let by = EarnedBy::Netted(Some(ModelId([model; 32])));
    (EarningKey { by, ..key }, Earning { amount: 5, answers: 2, share: Ppm(share), left: 7, ..Earning::default() })
}

#[test]
fn of_too_many_reasons_those_of_all_models_are_one_without_a_share_and_beside_those_of_other_answers() {
    let lines = vec![line(account(1), 1, 5), netted(1, 1, 300), netted(1, 2, 400), netted(2, 1, 100)];
    let (by, sum) = (EarnedBy::Netted(None), Earning { amount: 15, answers: 6, left: 21, ..Earning::default() });
    let fewer = fewer(lines.clone(), 3);
    assert_eq!(fewer.iter().map(|(key, _)| key.by).collect::<Vec<_>>(), [EarnedBy::Answers, by]);
    assert_eq!((fewer[0].1, fewer[1].1), (lines[0].1, sum));
    assert_eq!(EarningLine::decode(&EarningLine::encode(&fewer)), Ok(fewer));
}

#[test]
fn a_line_is_of_netted_answers_or_of_others() {
    let good = [line(account(1), 1, 5), netted(1, 1, 300)];
    assert_eq!(EarningLine::decode(&EarningLine::encode(&good)), Ok(good.to_vec()));
    let (key, earning) = netted(1, 1, 300);
    let both = [(key, Earning { weights: Ppm(1), ..earning })];
    let why = EarningLine::decode(&EarningLine::encode(&both)).unwrap_err();
    assert!(why.contains("weights of answers"), "{why}");
}

#[test]
fn the_largest_index_and_the_longest_pages_are_within_their_bounds() {
    let module = Account::from(ModuleAddress([255; 32]));
    let leaf = EpochLeaf { account: module, amount: u64::MAX };
    let key = EarningKey {
        account: module,
        role: EarningRole::Treasury,
        datanet: DatanetId([255; 32]),
        contribution: Some(ContributionId([255; 32])),
        by: EarnedBy::Netted(Some(ModelId([255; 32]))),
    };
    let most =
        Earning { amount: u64::MAX, answers: u64::MAX, share: Ppm(u64::MAX), left: u64::MAX, weights: Ppm::ZERO };
    let line: EarningLine = (key, most);
    let receipt = SettledReceipt {
        channel: ChannelId([255; 32]),
        cumulative: u64::MAX,
        fee: u64::MAX,
        receipt: ReceiptId([255; 32]),
        digest: Digest([255; 32]),
    };
    let debt = Debt { model: ModelId([255; 32]), contribution: ContributionId([255; 32]), amount: u64::MAX };
    fn fills<E: Entry>(entry: E) {
        let page = vec![entry; usize::try_from(PAGE_LEAVES).unwrap()];
        let bytes = E::encode(&page);
        assert_eq!(bytes.len() as u64, max_page_bytes::<E>(), "{}", E::PART);
        assert!(E::decode(&bytes).unwrap() == page);
    }
    fills(leaf);
    fills(line.clone());
    fills(receipt);
    fills(debt);
    fn heads<E: Entry>(count: u64, entry: E) -> Vec<Head<E::Place>> {
        let digest = if matches!(E::PART, Part::Lines | Part::Debts) { Digest::ZERO } else { Digest([255; 32]) };
        let root = SumNode { digest, sum: u64::MAX };
        let (blob, bytes) = (BlobHash([255; 32]), max_page_bytes::<E>());
        let head = Head { blob, bytes, root, first: entry.place(), last: entry.place() };
        (0..pages(count)).map(|_| head.clone()).collect()
    }
    let split = FeeSplit {
        node: u64::MAX,
        owner: u64::MAX,
        contributors: u64::MAX,
        validators: u64::MAX,
        ..FeeSplit::default()
    };
    let largest = Index {
        chain_id: "c".repeat(50),
        node: NODE,
        epoch: u64::MAX,
        totals: EpochTotals { answers: MAX_ANSWERS, fees: u64::MAX, split, unearned: u64::MAX },
        accounts: MAX_ACCOUNTS,
        line_count: MAX_LINES,
        leaves: heads(MAX_ACCOUNTS, leaf),
        lines: heads(MAX_LINES, line),
        receipts: heads(MAX_ANSWERS, receipt),
        carries: Some(Carried { epoch: u64::MAX, statement: BlobHash([1; 32]) }),
        debt_count: MAX_DEBTS,
        debts: heads(MAX_DEBTS, debt),
    };
    let bytes = largest.to_bytes().len() as u64;
    assert!(bytes > MAX_INDEX_BYTES / 4 * 3 && bytes <= MAX_INDEX_BYTES, "{bytes}");
    assert_eq!(MAX_STATEMENT_BYTES / (1 << 20), 127);
}

fn debt(n: u32) -> Debt {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    Debt { model: ModelId([2; 32]), contribution: ContributionId(id), amount: u64::from(n) + 1 }
}

#[test]
fn debts_are_read_by_the_hash_of_their_statement_alone() {
    let debts: Vec<Debt> = (0..2_500).map(debt).collect();
    let carries = Some(Carried { epoch: 7, statement: BlobHash([8; 32]) });
    let statement = Statement { debts: debts.clone(), carries, ..statement(5, 5) };
    let paged = statement.paged().unwrap();
    let epoch = Epoch { carries, ..settled(&statement) };
    assert!(Index::parse(&paged.index, CHAIN, &epoch).is_ok());
    let index = Index::of_hash(&paged.index, CHAIN, &NODE, statement.epoch).unwrap();
    let read: Vec<Debt> = (0..3).flat_map(|number| page::<Debt>(&index, &paged, number)).collect();
    assert_eq!((read, index.page::<Debt>(3), index.debt_count), (debts, None, 2_500));
    assert!(index.pages().any(|page| page.part == Part::Debts), "who keeps the statement keeps them");
    assert!(Index::of_hash(&paged.index, CHAIN, &NODE, 9).unwrap_err().contains("or epoch"));
    assert!(Index::of_hash(&paged.index, CHAIN, &NodeKey([9; 32]), 1).is_err());
}

#[test]
fn a_statement_that_begins_with_other_debts_than_the_ledger_says_is_refused() {
    let carries = |epoch| Some(Carried { epoch, statement: BlobHash([8; 32]) });
    let statement = Statement { carries: carries(7), ..statement(5, 5) };
    let (bytes, good) = (statement.paged().unwrap().index, Epoch { carries: carries(7), ..settled(&statement) });
    assert!(Index::parse(&bytes, CHAIN, &good).is_ok());
    let other = Some(Carried { epoch: 7, statement: BlobHash([9; 32]) });
    for carries in [None, carries(6), other] {
        let why = Index::parse(&bytes, CHAIN, &Epoch { carries, ..good.clone() }).unwrap_err();
        assert!(why.contains("debts of another epoch"), "{why}");
    }
}

#[test]
fn debts_out_of_order_twice_or_of_nothing_are_refused() {
    let read = |debts: Vec<Debt>| {
        let statement = Statement { debts, ..statement(1, 1) };
        let paged = statement.paged().unwrap();
        let index = Index::of_hash(&paged.index, CHAIN, &NODE, 1)?;
        let wanted = index.page::<Debt>(0).unwrap();
        let bytes = paged.pages.iter().find(|page| *blake3::hash(page).as_bytes() == wanted.blob.0).unwrap();
        index.read::<Debt>(0, bytes)
    };
    assert!(read(vec![debt(1), debt(2)]).is_ok());
    assert!(read(vec![debt(1), debt(1)]).unwrap_err().contains("not ordered"));
    assert!(read(vec![debt(1), debt(3), debt(2)]).unwrap_err().contains("not ordered"));
    assert!(read(vec![Debt { amount: 0, ..debt(1) }]).unwrap_err().contains("a debt is of nothing"));
}

#[test]
fn a_statement_that_is_not_the_settled_one_is_refused() {
    let good = statement(5, 5);
    let (bytes, epoch) = (good.paged().unwrap().index, settled(&good));
    assert!(Index::parse(&bytes, CHAIN, &epoch).is_ok());
    let refused = |bytes: &[u8], chain: &str, epoch: &Epoch, why: &str| {
        let reason = Index::parse(bytes, chain, epoch).unwrap_err();
        assert!(reason.contains(why), "{reason}");
    };
    refused(&bytes, CHAIN, &Epoch { root: Digest([1; 32]), ..epoch.clone() }, "root");
    refused(&bytes, CHAIN, &Epoch { accounts: 4, ..epoch.clone() }, "root");
    refused(&bytes, "d", &epoch, "another chain");
    refused(&bytes, CHAIN, &Epoch { epoch: 2, ..epoch.clone() }, "or epoch");
    refused(b"garbage", CHAIN, &epoch, "not a statement");
    refused(&[bytes.as_slice(), &[0x78, 1]].concat(), CHAIN, &epoch, "not canonical");
    let other = EpochTotals { answers: 4, ..epoch.totals };
    refused(&bytes, CHAIN, &Epoch { totals: other, ..epoch.clone() }, "totals");
    let change = |change: &dyn Fn(&mut Statement)| {
        let mut statement = good.clone();
        change(&mut statement);
        statement.paged().unwrap().index
    };
    refused(&change(&|other| other.receipts[1].fee += 1), CHAIN, &epoch, "receipts do not give the root");
    refused(&change(&|other| other.receipts.swap(0, 1)), CHAIN, &epoch, "receipts do not give the root");
    refused(&change(&|other| other.lines[1].1.amount += 1), CHAIN, &epoch, "lines do not sum");
    refused(&change(&|other| other.leaves[2].amount += 1), CHAIN, &epoch, "promises 16 where 15 were settled");
    refused(&change(&|other| other.leaves.swap(1, 2)), CHAIN, &epoch, "root");
    refused(&change(&|other| other.leaves.swap(0, 4)), CHAIN, &epoch, "not ordered");
    let mut greedy = good.clone();
    greedy.leaves[2].amount = u64::MAX;
    let error = greedy.paged().unwrap_err().to_string();
    assert!(error.contains("64 bits"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn garbage_is_an_error_to_every_decoder(bytes in prop::collection::vec(any::<u8>(), 1..2_000)) {
        prop_assert!(Index::parse(&bytes, CHAIN, &Epoch::default()).is_err());
        prop_assert!(EpochLeaf::decode(&bytes).is_err());
        prop_assert!(EarningLine::decode(&bytes).is_err());
        prop_assert!(SettledReceipt::decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_of_a_page_of_a_tree_is_found(at: prop::sample::Index, flip in 1u8..=255, cut in any::<bool>()) {
        let statement = statement(40, 40);
        let (index, paged) = index(&statement);
        let is_good = |number: usize, bytes: &[u8]| match number {
            0 => index.read::<EpochLeaf>(0, bytes).is_ok(),
            _ => index.read::<SettledReceipt>(0, bytes).is_ok(),
        };
        for number in [0, 2] {
            let mut bytes: Vec<u8> = paged.pages[number].clone();
            prop_assert!(is_good(number, &bytes));
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            prop_assert!(!is_good(number, &bytes), "{} {}", number, at);
        }
    }

    #[test]
    fn a_changed_byte_of_an_index_is_an_error_or_names_other_pages_and_never_other_roots(
        at: prop::sample::Index,
        flip in 1u8..=255,
    ) {
        let statement = statement(1_500, 20);
        let (index, paged) = index(&statement);
        let mut bytes = paged.index;
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Index::parse(&bytes, CHAIN, &settled(&statement)) {
            prop_assert!(other != index);
            let roots = |index: &Index| index.leaves.iter().map(|head| head.root).collect::<Vec<_>>();
            prop_assert_eq!(roots(&other), roots(&index));
        }
    }
}
