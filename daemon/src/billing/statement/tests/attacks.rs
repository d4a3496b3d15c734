//! Whoever settles makes up index, pages and the roots on the ledger, so that they agree as far as he likes: what of it is found where, and what it costs
//! whoever reads it.

use super::*;

/// What the ledger says if the root that it holds is what this index's own claims give.
fn as_it_says(index: &Index) -> Epoch {
    let roots = |roots: Vec<SumNode>| sum_tree::root(&roots).unwrap();
    let tree = roots(index.leaves.iter().map(|head| head.root).collect());
    let receipts = roots(index.receipts.iter().map(|head| head.root).collect());
    let split = FeeSplit { contributors: tree.sum, ..FeeSplit::default() };
    let totals = EpochTotals { fees: receipts.sum, split, ..index.totals };
    let (root, accounts, receipts) = (tree.digest, index.accounts, receipts.digest);
    Epoch { node: NODE, epoch: index.epoch, root, totals, accounts, receipts, ..Epoch::default() }
}

/// The index with a lie, held against a ledger that was told the same.
fn told(index: &Index, lie: impl FnOnce(&mut Index)) -> Result<(Index, Epoch), String> {
    let mut index = index.clone();
    lie(&mut index);
    let epoch = as_it_says(&index);
    index.totals = epoch.totals;
    Index::parse(&index.to_bytes(), CHAIN, &epoch).map(|index| (index, epoch))
}

fn refused(index: &Index, why: &str, lie: impl FnOnce(&mut Index)) {
    let reason = told(index, lie).unwrap_err();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn an_index_whose_pages_are_right_and_whose_order_lies_is_refused_or_its_page_is() {
    let (index, paged) = index(&statement(2_500, 1_500));
    refused(&index, "leaves are not ordered", |index| index.leaves.swap(0, 1));
    refused(&index, "lines are not ordered", |index| index.lines.swap(0, 2));
    refused(&index, "receipts are not ordered", |index| index.receipts.swap(0, 1));
    refused(&index, "leaves are not ordered", |index| index.leaves[1].first = index.leaves[0].last);
    refused(&index, "leaves are not ordered", |index| index.leaves[1].last = account(0));
    // Ends that leave somebody out, so that he does not find his page: whoever keeps or audits the epoch finds it.
    let (lying, _) = told(&index, |index| index.leaves[0].last = account(1_000)).unwrap();
    assert_eq!(lying.leaf_page(&account(1_010)), None);
    let reason = lying.read::<EpochLeaf>(0, &paged.pages[0]).unwrap_err();
    assert!(reason.contains("begin and end"), "{reason}");
    let (lying, _) = told(&index, |index| index.lines[2].last = account(9_999)).unwrap();
    assert!(lying.read::<EarningLine>(2, &paged.pages[5]).unwrap_err().contains("begin and end"));
}

#[test]
fn an_index_whose_sums_lie_gives_nobody_more() {
    let statement = statement(2_500, 1);
    let (index, paged) = index(&statement);
    let more = |index: &mut Index| {
        index.leaves[0].root.sum += 1_000;
        index.leaves[2].root.sum -= 1_000;
    };
    let (lying, epoch) = told(&index, more).unwrap();
    assert!(lying.read::<EpochLeaf>(0, &paged.pages[0]).unwrap_err().contains("the root or the sum"));
    assert!(lying.read::<EpochLeaf>(1, &paged.pages[1]).is_ok(), "what is true of it stays good");
    for (number, leaf) in [(0, statement.leaves[3]), (2, statement.leaves[2_400])] {
        let leaves = page::<EpochLeaf>(&index, &paged, number);
        let (_, proof) = lying.prove(number, &leaves, &leaf.account).unwrap();
        assert!(!proof.verify(leaf.node(CHAIN, &NODE, 1), &epoch.tree()));
    }
    refused(&index, "lines do not sum", |index| index.lines[1].root.sum += 1);
    let (lying, _) = told(&index, |index| {
        index.lines[0].root.sum += 1;
        index.lines[1].root.sum -= 1;
    })
    .unwrap();
    assert!(lying.read::<EarningLine>(0, &paged.pages[3]).unwrap_err().contains("the root or the sum"));
}

/// The pages that a page gives, read as that page of an index that names it.
fn read_as_first(statement: &Statement) -> Result<Vec<EpochLeaf>, String> {
    let paged = statement.paged().unwrap();
    let index = Index::parse(&paged.index, CHAIN, &settled(statement))?;
    index.read(0, &paged.pages[0])
}

#[test]
fn a_page_that_holds_an_account_twice_or_out_of_order_is_refused() {
    let with = |change: &dyn Fn(&mut Vec<EpochLeaf>)| {
        let mut statement = statement(1_100, 1);
        change(&mut statement.leaves);
        // Lines that agree, and roots and totals on the ledger too.
        statement.lines = statement.leaves.iter().map(|leaf| line(leaf.account, 0, leaf.amount)).collect();
        read_as_first(&complete(statement)).unwrap_err()
    };
    let ordered = "not ordered, each once";
    let twice = with(&|leaves| leaves[10].account = leaves[9].account);
    assert!(twice.contains(ordered), "{twice}");
    let out_of_order = with(&|leaves| leaves.swap(500, 501));
    assert!(out_of_order.contains(ordered), "{out_of_order}");
    let over_two_pages = with(&|leaves| leaves[1_024].account = leaves[1_023].account);
    assert!(over_two_pages.contains("pages of the statement's leaves are not ordered"), "{over_two_pages}");
}

#[test]
fn a_hundred_thousand_empty_pages_are_refused_before_one_is_asked_for() {
    let statement = statement(5, 0);
    let (paged, epoch) = (statement.paged().unwrap(), settled(&statement));
    let stuffed = |field: u8, count: usize| {
        let mut bytes = paged.index.clone();
        (0..count).for_each(|_| bytes.extend([(field << 3) | 2, 0]));
        Index::parse(&bytes, CHAIN, &epoch).unwrap_err()
    };
    for field in [9, 10] {
        let (most, some) = (stuffed(field, 100_000), stuffed(field, 10_000));
        assert!(most.contains("over the limit") && some.contains("not a statement"), "{most}; {some}");
    }
    let (index, _) = index(&statement);
    refused(&index, "where 1 hold all 5 of them", |index| {
        index.lines = vec![index.lines[0].clone(); 1_000];
    });
    refused(&index, "is empty or longer", |index| index.lines[0].bytes = 0);
    refused(&index, "is empty or longer", |index| index.leaves[0].bytes = max_page_bytes::<EpochLeaf>() + 1);
    refused(&index, "are the most", |index| index.line_count = MAX_LINES + 1);
    // As many as there may be, each with one entry less than belongs there.
    let (lying, _) = told(&index, |index| index.line_count += 1).unwrap();
    let reason = lying.read::<EarningLine>(0, &paged.pages[1]).unwrap_err();
    assert!(reason.contains("5 entries where 6 belong"), "{reason}");
}

/// Each page is fetched once, however often somebody would have it fetched: all of an epoch is never more than the largest one is.
#[test]
fn an_index_that_names_a_page_again_and_again_is_refused() {
    let mut statement = statement(1, 1);
    let rich = statement.leaves[0].account;
    statement.lines = (0..2_048).map(|n| line(rich, n, 0)).collect();
    statement.lines[0].1.amount = statement.leaves[0].amount;
    let statement = complete(statement);
    let (index, _) = index(&statement);
    assert_eq!(index.lines.len(), 2);
    refused(&index, "names a page twice", |index| {
        let again = index.lines[1].clone();
        index.lines.extend(vec![again; 510]);
        index.line_count = MAX_LINES;
    });
    refused(&index, "names a page twice", |index| index.lines[1].blob = index.leaves[0].blob);
    refused(&index, "leaves are not ordered", |index| {
        index.accounts = MAX_ACCOUNTS;
        index.leaves = vec![index.leaves[0].clone(); 256];
    });
    let all: u64 = index.pages().map(|page| page.bytes).sum();
    assert!(all <= MAX_STATEMENT_BYTES - MAX_INDEX_BYTES);
}

#[test]
fn a_page_of_another_part_or_number_is_not_taken_for_the_one_meant() {
    let (index, paged) = index(&statement(2_500, 1_500));
    assert!(index.read::<EpochLeaf>(1, &paged.pages[0]).unwrap_err().contains("begin and end"));
    assert!(index.read::<EpochLeaf>(2, &paged.pages[0]).unwrap_err().contains("1024 entries where 452 belong"));
    assert!(index.read::<EpochLeaf>(0, &paged.pages[3]).is_err(), "lines");
    assert!(index.read::<SettledReceipt>(0, &paged.pages[0]).is_err());
    assert!(index.read::<EpochLeaf>(3, &paged.pages[0]).is_err(), "no such page");
}
