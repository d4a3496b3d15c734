use super::*;
use proptest::prelude::*;

fn part(n: u8, records: u64) -> SourcePart {
    SourcePart { contribution: ContributionId([n; 32]), records }
}

fn release() -> Release {
    Release {
        version: RELEASE_VERSION,
        name: "topics".into(),
        base: Some(ModelId([7; 32])),
        files: vec![ReleaseFile { name: "adapter_config.json".into(), blob: BlobHash([1; 32]), size: 9 }],
        labels: vec!["a".into(), "b".into()],
        snapshots: vec![DataSnapshot::start(DatanetId([1; 32])).then(&ContributionId([1; 32]), false)],
        sources: vec![
            Source { contributor: Address([1; 20]), contributions: vec![part(1, 30), part(3, 10)] },
            Source { contributor: Address([2; 20]), contributions: vec![part(2, 5)] },
        ],
        evaluation: vec![Metric { name: "accuracy".into(), value: SignedPpm(611_000) }],
        licence: "Apache-2.0".into(),
        job: "{}".into(),
        ..Release::default()
    }
}

#[test]
fn a_manifest_is_found_by_its_hash_and_no_other() {
    let release = release();
    assert_eq!(Release::verify(&release.to_bytes(), &release.manifest()).unwrap(), release);
    let other = Release::verify(&release.to_bytes(), &Digest([1; 32]));
    assert!(matches!(other, Err(ReleaseError::Hash { .. })));
    assert_eq!(serde_json::to_value(&release).unwrap()["task"], "classify");
}

#[test]
fn a_manifest_out_of_bounds_is_refused() {
    let refused = |change: fn(&mut Release), words: &str| {
        let mut release = release();
        change(&mut release);
        let error = Release::verify(&release.to_bytes(), &release.manifest()).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    refused(|r| r.version = RELEASE_VERSION + 1, "update this node");
    refused(|r| r.version = RELEASE_VERSION - 1, "train the model again");
    let attribution = |change: fn(&mut Attribution), words: &str| {
        let mut attribution = Attribution { method: "forward-replay".into(), halves: 2, ..Attribution::default() };
        assert!(Release { attribution: Some(attribution.clone()), ..release() }.validate().is_ok());
        change(&mut attribution);
        let error = Release { attribution: Some(attribution), ..release() }.validate().unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    attribution(|a| a.halves = 3, "even");
    attribution(|a| a.halves = 66, "at most 64");
    attribution(|a| a.method.clear(), "1 to 64 bytes");
    attribution(|a| a.lds_interval = Some(Interval { low: SignedPpm(1), high: SignedPpm(0) }), "below its beginning");
    attribution(|a| a.first_order_error = Some(SignedPpm(-1)), "0 or more");
    refused(|r| r.name.clear(), "name");
    refused(|r| r.licence = "x".repeat(65), "SPDX");
    refused(|r| r.task = 9, "task 9");
    refused(|r| r.files.clear(), "1 to 64 files");
    refused(|r| r.files[0].name = "../secret".into(), "no file name");
    refused(|r| r.files[0].name = ".hidden".into(), "no file name");
    refused(|r| r.files.push(r.files[0].clone()), "ordered by name");
    refused(|r| r.files[0].size = 0, "empty");
    refused(|r| r.labels = vec!["a".into(); 2], "differ");
    refused(|r| r.labels = (0..1_025).map(|n| n.to_string()).collect(), "1024 labels");
    refused(|r| r.snapshots.push(r.snapshots[0]), "one for each");
    refused(|r| r.snapshots[0].count = 0, "snapshot of nothing");
    refused(|r| r.sources[1].contributions = vec![part(3, 1)], "two sources");
    refused(|r| r.sources[0].contributions.reverse(), "ordered by id");
    refused(|r| r.sources[1].contributions.clear(), "1 to 4096");
    refused(|r| r.sources[1].contributions[0].records = 0, "no record");
    refused(|r| r.evaluation.push(r.evaluation[0].clone()), "once");
    refused(|r| r.job = "x".repeat(MAX_JOB_BYTES + 1), "job");
    refused(|r| r.origin = 9, "origin 9");
    refused(|r| r.base = None, "an adapter has a base");
    refused(|r| r.origin = Origin::Scratch as i32, "nothing else has");
    refused(|r| (r.origin, r.base) = (Origin::Imported as i32, None), "put up as it is claims");
}

#[test]
fn a_history_tells_final_from_revoked_and_one_datanet_from_another() {
    let start = DataSnapshot::start(DatanetId([1; 32]));
    let id = ContributionId([5; 32]);
    assert_eq!(start.then(&id, false).count, 1);
    assert_ne!(start.then(&id, false).digest, start.then(&id, true).digest);
    assert_ne!(start.then(&id, false).digest, DataSnapshot::start(DatanetId([2; 32])).then(&id, false).digest);
}

#[test]
fn values_are_spread_by_records_and_worth_is_credited() {
    let release = release();
    let worth = BTreeMap::from([(ContributionId([1; 32]), -40), (ContributionId([2; 32]), 40)]);
    let spread = release.spread(&[-101, 50], &worth, |_| false);
    let values: Vec<(u8, i64)> = spread.iter().map(|i| (i.contribution.0[0], i.value)).collect();
    assert_eq!(values, [(1, -76), (2, 50), (3, -25)]);
    let credits = release.credits(&spread);
    assert_eq!((credits.len(), credits[0].weight, credits[0].contributor), (1, Ppm::ONE, Address([2; 20])));
    let rest = release.spread(&[-101, 50], &worth, |id| id.0[0] == 2);
    assert!(rest.len() == 2 && release.credits(&rest).is_empty());
}

#[test]
fn of_very_many_contributions_the_strongest_are_named() {
    let id = |n: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        ContributionId(bytes)
    };
    let source = |n: u64| {
        let part = SourcePart { contribution: id(n), records: 1 };
        Source { contributor: Address([1; 20]), contributions: vec![part] }
    };
    let many = Release { sources: (0..5_000).map(source).collect(), ..release() };
    let values: Vec<i64> = (0..5_000).map(|n| if n % 2 == 0 { n } else { -n }).collect();
    let spread = many.spread(&values, &BTreeMap::new(), |_| false);
    assert_eq!((spread.len(), spread[0].contribution), (MAX_INFLUENCES, id(5_000 - MAX_INFLUENCES as u64)));
    assert!(spread.is_sorted_by_key(|influence| influence.contribution));
}

proptest! {
    #[test]
    fn spreading_loses_nothing(
        values in prop::collection::vec(-1_000_000_000_000i64..1_000_000_000_000, 2),
        worth in prop::collection::btree_map((1u8..4).prop_map(|n| ContributionId([n; 32])), -MAX_WORTH * 2..MAX_WORTH * 2, 0..3),
    ) {
        let release = release();
        let spread = release.spread(&values, &worth, |_| false);
        prop_assert!(spread.iter().all(|i| i.worth.abs() <= MAX_WORTH));
        prop_assert_eq!(spread.iter().map(|i| i.value).sum::<i64>(), values.iter().sum::<i64>());
        let credits = release.credits(&spread);
        let weight: Ppm = credits.iter().map(|credit| credit.weight).sum();
        prop_assert_eq!(weight, if worth.values().any(|worth| *worth > 0) { Ppm::ONE } else { Ppm::ZERO });
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Release::decode_bytes(&bytes).is_err());
    }
}
