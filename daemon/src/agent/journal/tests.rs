//! What a journal keeps, what it notices, and what a period may cost.

use datanet_types::Digest;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn intended(id: u64, at: u64, reserved: u64) -> Entry {
    Entry::Intended(Box::new(Intended {
        id,
        at,
        subject: format!("question {id}"),
        observed: Observed::of("a question", b"what do owls eat?"),
        deed: Deed::Think { body: json!({ "n": id }) },
        why: "it is worth more than it costs".to_owned(),
        key: format!("owl/{id}"),
        reserved,
    }))
}

fn ended(id: u64, at: u64, captured: u64) -> Entry {
    Entry::Ended(Box::new(Ended { id, at, outcome: Outcome::Done, captured, detail: json!({ "answer": "mice\n" }) }))
}

fn journal(dir: &tempfile::TempDir) -> Journal {
    Journal::open(&dir.path().join("journal"), Some(100)).unwrap()
}

#[test]
fn what_was_written_is_there_again_and_what_has_not_ended_is_pending() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = journal(&dir);
    for entry in [intended(1, 10, 50), ended(1, 11, 20), intended(2, 12, 70)] {
        first.write(&entry).unwrap();
    }
    let again = journal(&dir);
    assert_eq!(again.memory(), first.memory());
    assert_eq!(again.memory().pending().map(|intended| intended.id).collect::<Vec<_>>(), [2]);
    assert_eq!((again.memory().spent(12), again.memory().total(), again.memory().next_id()), (90, 20, 3));
    assert!(again.memory().is_decided("question 2") && !again.memory().is_decided("question 3"));
}

#[test]
fn what_strangers_ask_for_is_not_remembered_once_it_is_over() {
    let mut memory = Memory::new(None);
    let Entry::Intended(mut sale) = intended(1, 10, 50) else { panic!("it is an intention") };
    let supply = Supply { order: Digest([7; 32]), step: Step::Search, of: "topics".into(), body: json!({}) };
    (sale.subject, sale.deed) = ("sale/7/search".to_owned(), Deed::Supply(supply));
    memory.learn(&Entry::Intended(sale));
    memory.learn(&ended(1, 11, 20));
    assert!(!memory.is_decided("sale/7/search"));
    assert_eq!((memory.total(), memory.pending().count()), (20, 0));
}

#[test]
fn a_line_that_was_cut_short_anywhere_is_taken_away_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    journal(&dir).write(&intended(1, 10, 50)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    journal(&dir).write(&ended(1, 11, 20)).unwrap();
    let both = std::fs::read(&path).unwrap();
    for cut in whole.len()..both.len() {
        std::fs::write(&path, &both[..cut]).unwrap();
        let mut journal = journal(&dir);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
        journal.write(&ended(1, 11, 20)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), both, "cut at {cut}");
    }
}

#[test]
fn a_line_that_was_changed_moved_or_lost_stops_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut first = journal(&dir);
    for entry in [intended(1, 10, 50), ended(1, 11, 20), intended(2, 12, 70), ended(2, 13, 70)] {
        first.write(&entry).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let written = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let cheaper = text.replacen("\"captured\":20", "\"captured\":10", 1);
    for damaged in
        [cheaper, written(&lines[1..]), written(&[lines[0], lines[2], lines[1], lines[3]]), text.replacen('{', "x", 1)]
    {
        std::fs::write(&path, damaged).unwrap();
        let error = format!("{:#}", Journal::open(&path, None).unwrap_err());
        assert!(error.contains("is damaged; put it back from a backup") && error.contains("line "), "{error}");
    }
}

#[test]
fn whoever_reads_along_sees_whole_lines_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut reader = Reader::default();
    assert_eq!(reader.more(&path).unwrap(), []);
    let mut journal = journal(&dir);
    journal.write(&intended(1, 10, 50)).unwrap();
    assert_eq!(reader.more(&path).unwrap(), [intended(1, 10, 50)]);
    assert_eq!(reader.more(&path).unwrap(), []);
    journal.write(&ended(1, 11, 20)).unwrap();
    assert_eq!(reader.more(&path).unwrap(), [ended(1, 11, 20)]);
}

#[test]
fn a_clock_that_is_put_back_begins_no_period_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(&dir);
    journal.write(&intended(1, 250, 50)).unwrap();
    journal.write(&ended(1, 251, 50)).unwrap();
    assert_eq!(journal.memory().spent(299), 50);
    assert_eq!(journal.memory().spent(20), 50, "the latest time counts");
    assert_eq!(journal.memory().spent(300), 0, "a new period");
}

proptest! {
    /// Whoever keeps to what is left never spends more in a period than there is, however intentions and ends are mixed.
    #[test]
    fn no_period_costs_more_than_its_budget(steps in proptest::collection::vec((0u8..3, 1u64..60, 0u64..80), 1..60)) {
        const BUDGET: u64 = 100;
        let (mut memory, mut now, mut open) = (Memory::new(Some(100)), 0u64, Vec::<(u64, u64, u64)>::new());
        let mut paid = std::collections::BTreeMap::<u64, u64>::new();
        for (what, amount, passed) in steps {
            now += passed;
            match what {
                0 | 1 if memory.spent(now).saturating_add(amount) <= BUDGET => {
                    let id = memory.next_id();
                    memory.learn(&intended(id, now, amount));
                    open.push((id, now, amount));
                }
                2 if !open.is_empty() => {
                    let (id, at, reserved) = open.remove(0);
                    let captured = reserved.min(amount);
                    memory.learn(&ended(id, now, captured));
                    *paid.entry(at / 100).or_default() += captured;
                }
                _ => {}
            }
            prop_assert!(memory.spent(now) <= BUDGET);
        }
        prop_assert!(paid.values().all(|paid| *paid <= BUDGET), "{paid:?}");
    }
}
