//! A model's manifest, as any node releases it.

use std::collections::BTreeMap;

use datanet_types::release::{
    Attribution, DataSnapshot, Metric, Origin, RELEASE_VERSION, Release, ReleaseFile, Source, SourcePart,
};
use datanet_types::{Address, BlobHash, ContributionId, DatanetId, Digest, ModelId, SignedPpm};

use crate::Target;

pub(crate) const RELEASE: Target = Target { name: "release", seeds, run };

fn seeds() -> Vec<Vec<u8>> {
    let part = |n: u8, records| SourcePart { contribution: ContributionId([n; 32]), records };
    let file = |name: &str| ReleaseFile { name: name.into(), blob: BlobHash([1; 32]), size: 9 };
    let adapter = Release {
        version: RELEASE_VERSION,
        name: "topics".into(),
        base: Some(ModelId([7; 32])),
        files: vec![file("adapter_config.json"), file("adapter_model.safetensors")],
        labels: vec!["a".into(), "b".into()],
        snapshots: vec![DataSnapshot::start(DatanetId([1; 32])).then(&ContributionId([1; 32]), false)],
        sources: vec![
            Source { contributor: Address([1; 20]), contributions: vec![part(1, 30), part(3, 10)] },
            Source { contributor: Address([2; 20]), contributions: vec![part(2, 5)] },
        ],
        evaluation: vec![Metric { name: "accuracy".into(), value: SignedPpm(611_000) }],
        attribution: Some(Attribution { method: "replay".into(), passed: true, ..Attribution::default() }),
        licence: "Apache-2.0".into(),
        job: "{}".into(),
        ..Release::default()
    };
    let scratch = Release { origin: Origin::Scratch as i32, base: None, ..adapter.clone() };
    let imported = Release {
        origin: Origin::Imported as i32,
        base: None,
        sources: Vec::new(),
        snapshots: Vec::new(),
        attribution: None,
        job: String::new(),
        ..adapter.clone()
    };
    vec![adapter.to_bytes(), scratch.to_bytes(), imported.to_bytes()]
}

fn run(input: &[u8]) {
    let manifest = Digest(*blake3::hash(input).as_bytes());
    let Ok(release) = Release::verify(input, &manifest) else { return };
    assert_eq!(release.manifest(), manifest, "two forms of one release");
    // What serving does with it.
    let values: Vec<i64> =
        release.sources.iter().zip([i64::MAX, i64::MIN, 7].into_iter().cycle()).map(|(_, v)| v).collect();
    let worth: BTreeMap<_, _> =
        release.contributions().zip([i64::MAX, i64::MIN].into_iter().cycle()).map(|(id, worth)| (*id, worth)).collect();
    let spread = release.spread(&values, &worth, |_| false);
    let weights: u128 = release.credits(&spread).iter().map(|credit| u128::from(credit.weight.0)).sum();
    assert!(weights <= 1_000_000, "credits beyond the whole");
    for file in &release.files {
        let name = std::path::Path::new(&file.name);
        assert_eq!(name.file_name(), Some(name.as_os_str()), "a file outside its folder");
    }
}
