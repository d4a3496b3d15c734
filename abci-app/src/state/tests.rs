use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn base(keys: &[&str]) -> MemoryState {
    let mut state = MemoryState::default();
    for key in keys {
        state.set_raw((*key).into(), Some(key.as_bytes().to_vec()));
    }
    state
}

#[test]
fn a_scan_sees_changes_and_deletions_over_the_base() {
    let base = base(&["a/1", "a/2", "a/3", "b/1"]);
    let mut log = ChangeLog::new(&base);
    log.delete("a/1".into());
    log.set_raw("a/25".into(), Some(vec![9]));
    let keys = |after, limit| -> Vec<String> {
        log.scan("a/", after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(None, 9), ["a/2", "a/25", "a/3"]);
    assert_eq!(keys(None, 1), ["a/2"]);
    assert_eq!(keys(None, 0), [""; 0]);
    assert_eq!(keys(Some("a/2"), 9), ["a/25", "a/3"]);
    assert_eq!(base.scan("a/", None, 9).unwrap().len(), 3);
}

/// Counts the entries that are asked of it.
#[derive(Default)]
struct Asked(MemoryState, std::cell::Cell<usize>);

impl StateRead for Asked {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get_raw(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let found = self.0.scan(prefix, after, limit)?;
        self.1.set(self.1.get() + found.len());
        Ok(found)
    }
}

#[test]
fn a_list_is_read_only_as_far_as_the_gas_may_last() {
    let mut base = Asked::default();
    (0..900).for_each(|n| base.0.set_raw(format!("a/{n:03}"), Some(Vec::new())));
    let mut log = ChangeLog::new(&base);
    let all = crate::gas::SCAN + 900 * crate::gas::READ;
    let (found, used) = log.with_gas(all, |log| log.scan("a/", None, 1_000).map(|found| found.len()));
    assert_eq!((found, used, base.1.take()), (Ok(900), all, 900));
    let (found, _) = log.with_gas(all - 1, |log| log.scan("a/", None, 1_000));
    assert_eq!((found, base.1.take()), (Err(StateError::OutOfGas), 900));
    let few = crate::gas::SCAN + 9 * crate::gas::READ;
    let (found, used) = log.with_gas(few, |log| log.scan("a/", None, 1_000));
    assert_eq!((found, used, base.1.take()), (Err(StateError::OutOfGas), few + crate::gas::READ, 10));
}

#[derive(Clone, PartialEq, prost::Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[test]
fn what_was_decoded_is_never_older_than_what_was_written() {
    let mut base = MemoryState::default();
    base.put("n".into(), &Number { value: 1 });
    let mut log = ChangeLog::new(&base);
    let read = |log: &ChangeLog<'_, MemoryState>| log.get_decoded::<Number>("n").unwrap().map(|number| number.value);
    assert_eq!([read(&log), read(&log)], [Some(1); 2]);
    let before = log.checkpoint();
    log.put("n".into(), &Number { value: 2 });
    assert_eq!([read(&log), read(&log)], [Some(2); 2]);
    log.delete("n".into());
    assert_eq!(read(&log), None);
    log.revert_to(before);
    assert_eq!(read(&log), Some(1));
}

/// What may be done to a log.
#[derive(Debug, Clone)]
enum Step {
    Set(u8, u8),
    Delete(u8),
    Get(u8),
    Scan(Option<u8>, usize),
    Checkpoint,
    /// Back to one of the checkpoints that hold.
    Revert(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..32;
    prop_oneof![
        6 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
        3 => key.clone().prop_map(Step::Delete),
        2 => key.clone().prop_map(Step::Get),
        2 => (proptest::option::of(key), 0usize..12).prop_map(|(after, limit)| Step::Scan(after, limit)),
        2 => Just(Step::Checkpoint),
        1 => any::<Index>().prop_map(Step::Revert),
    ]
}

fn name(key: u8) -> String {
    // Under two prefixes, of which one is a part of the other's.
    format!("{}/{:02}", if key.is_multiple_of(3) { "ab" } else { "a" }, key)
}

proptest! {
    #[test]
    fn a_log_is_a_map_that_is_copied_at_each_checkpoint(
        base in proptest::collection::btree_map(0u8..32, any::<u8>(), 0..24),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let base = MemoryState(base.into_iter().map(|(key, value)| (name(key), vec![value])).collect());
        let mut log = ChangeLog::new(&base);
        let mut model = base.clone();
        let mut points: Vec<(Checkpoint, MemoryState)> = Vec::new();
        for step in steps {
            match step {
                Step::Set(key, value) => {
                    log.set_raw(name(key), Some(vec![value]));
                    model.set_raw(name(key), Some(vec![value]));
                }
                Step::Delete(key) => {
                    log.delete(name(key));
                    model.delete(name(key));
                }
                Step::Get(key) => prop_assert_eq!(log.get_raw(&name(key)).unwrap(), model.get_raw(&name(key)).unwrap()),
                Step::Scan(after, limit) => {
                    let after = after.map(name);
                    for prefix in ["a/", "ab/", "a", ""] {
                        let (ours, theirs) = (log.scan(prefix, after.as_deref(), limit), model.scan(prefix, after.as_deref(), limit));
                        prop_assert_eq!(ours.unwrap(), theirs.unwrap());
                    }
                }
                Step::Checkpoint => points.push((log.checkpoint(), model.clone())),
                Step::Revert(index) if !points.is_empty() => {
                    let at = index.index(points.len());
                    let (point, copy) = points[at].clone();
                    log.revert_to(point);
                    model = copy;
                    points.truncate(at + 1);
                }
                Step::Revert(_) => {}
            }
        }
        prop_assert_eq!(log.scan("", None, 99).unwrap(), model.scan("", None, 99).unwrap());
        let net = log.into_net().unwrap();
        let differs: BTreeMap<String, Option<Vec<u8>>> = base.0.keys().chain(model.0.keys())
            .filter(|key| base.0.get(*key) != model.0.get(*key))
            .map(|key| (key.clone(), model.0.get(key).cloned()))
            .collect();
        prop_assert_eq!(net, differs);
    }
}
