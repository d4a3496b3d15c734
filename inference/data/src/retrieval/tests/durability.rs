use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

/// Everything in the index by contribution, read through a search.
async fn contents(index: &DatanetIndex) -> BTreeMap<ContributionId, Vec<u64>> {
    let embedding = Some(Draw(1).unit(DIMENSIONS));
    let request = SearchRequest { mode: Mode::Semantic, embedding, limit: MAX_HITS, ..by_text("") };
    let mut found: BTreeMap<ContributionId, Vec<u64>> = BTreeMap::new();
    for hit in index.search(request).await.unwrap() {
        found.entry(hit.contribution).or_default().push(hit.record);
    }
    found.values_mut().for_each(|records| records.sort_unstable());
    found
}

fn records(count: u64) -> Vec<u64> {
    (0..count).map(|record| 2 * record).collect()
}

#[tokio::test]
async fn a_restart_keeps_everything_and_needs_no_vectors_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for n in 1..=3 {
        assert!(index.add(id(n), documents(n, 50)).await.unwrap());
    }
    index.add(id(4), Vec::new()).await.unwrap();
    let (before, stats) = (contents(&index).await, index.stats());
    index.close().await.unwrap();
    let index = open(dir.path());
    assert_eq!((contents(&index).await, index.stats()), (before, stats));
    assert_eq!(index.contributions(), [id(1), id(2), id(3), id(4)]);
}

#[tokio::test]
async fn adding_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let both = tokio::join!(index.add(id(1), documents(1, 50)), index.add(id(1), documents(1, 50)));
    assert!(both.0.is_ok() || both.1.is_ok());
    assert!(!index.add(id(1), documents(1, 50)).await.unwrap());
    assert_eq!(contents(&index).await, BTreeMap::from([(id(1), records(50))]));
}

#[tokio::test]
async fn a_contribution_comes_in_parts_and_is_seen_whole() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let all = documents(1, 60);
    let mut upload = index.begin(id(1)).await.unwrap().unwrap();
    for (n, part) in (2..).zip(all.chunks(20)) {
        upload.push(part.to_vec()).await.unwrap();
        // Others commit in between, take rows in between, and show nothing of it.
        index.add(id(n), documents(n, 10)).await.unwrap();
        assert!(!index.contains(&id(1)) && !contents(&index).await.contains_key(&id(1)));
    }
    upload.finish().await.unwrap();
    assert_eq!(contents(&index).await[&id(1)], records(60));
    let request = SearchRequest { mode: Mode::Semantic, embedding: Some(all[45].embedding.clone()), ..by_text("") };
    assert_eq!(index.search(request).await.unwrap()[0].text, all[45].text);
}

#[tokio::test]
async fn an_upload_that_was_dropped_leaves_nothing_and_its_rows_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut upload = index.begin(id(1)).await.unwrap().unwrap();
    upload.push(documents(1, 40)).await.unwrap();
    index.add(id(2), documents(2, 10)).await.unwrap();
    drop(upload);
    index.add(id(3), documents(3, 20)).await.unwrap();
    index.add(id(1), documents(1, 40)).await.unwrap();
    let expected = BTreeMap::from([(id(1), records(40)), (id(2), records(10)), (id(3), records(20))]);
    assert_eq!(contents(&index).await, expected);
    index.close().await.unwrap();
    assert_eq!(contents(&open(dir.path())).await, expected);
}

#[tokio::test]
async fn what_is_out_of_order_or_of_another_size_withdraws_the_upload() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut reversed = documents(1, 5);
    reversed.reverse();
    assert!(matches!(index.add(id(1), reversed).await, Err(RetrievalError::OutOfOrder { .. })));
    assert!(matches!(index.add(id(2), documents(1, 5)).await, Err(RetrievalError::OutOfOrder { .. })));
    let mut narrow = documents(1, 5);
    narrow[3].embedding = Draw(3).unit(5);
    assert!(matches!(index.add(id(1), narrow).await, Err(RetrievalError::Dimensions { .. })));
    assert!(index.contributions().is_empty());
    let mut upload = index.begin(id(1)).await.unwrap().unwrap();
    let newer = index.begin(id(1)).await.unwrap().unwrap();
    assert!(matches!(upload.push(documents(1, 5)).await, Err(RetrievalError::UploadClosed)));
    newer.finish().await.unwrap();
    assert!(index.contains(&id(1)));
}

#[tokio::test]
async fn a_removed_contribution_leaves_no_text_and_no_vector() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut secret = documents(1, 20);
    secret.iter_mut().for_each(|document| document.text = "unmistakable".to_owned());
    let bytes: Vec<u8> = secret[7].embedding.as_slice().iter().flat_map(|number| number.to_le_bytes()).collect();
    index.add(id(2), documents(2, 20)).await.unwrap();
    index.add(id(1), secret).await.unwrap();
    index.add(id(3), documents(3, 20)).await.unwrap();
    let vectors = dir.path().join("index/vectors.f32");
    let holds = |file: &Path| std::fs::read(file).unwrap().windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(&vectors));
    assert!(index.remove(id(1)).await.unwrap());
    assert!(!index.remove(id(1)).await.unwrap());
    assert!(!holds(&vectors));
    assert_eq!(index.search(by_text("unmistakable")).await.unwrap(), []);
    index.close().await.unwrap();
    let written = std::fs::read_dir(dir.path().join("index/terms")).unwrap();
    for file in written.map(|entry| entry.unwrap().path()) {
        let content = std::fs::read(&file).unwrap();
        assert!(!content.windows(12).any(|window| window == b"unmistakable"), "{file:?}");
    }
    let index = open(dir.path());
    assert_eq!(index.contributions(), [id(2), id(3)]);
    // Its rows are free again.
    index.add(id(4), documents(4, 20)).await.unwrap();
    assert_eq!(std::fs::metadata(&vectors).unwrap().len(), 60 * 4 * DIMENSIONS as u64);
    assert_eq!(contents(&index).await[&id(4)], records(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_states_while_contributions_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    index.add(id(1), documents(1, 30)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (index, done) = (index.clone(), done.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                for (contribution, found) in contents(&index).await {
                    assert_eq!(found.len(), 30, "{contribution}");
                }
            }
        }
    });
    for n in 2..10 {
        index.add(id(n), documents(n, 30)).await.unwrap();
        index.remove(id(n - 1)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reader.await.unwrap();
}

#[tokio::test]
async fn another_model_and_damage_ask_for_a_rebuild_and_a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mine = config(dir.path(), DIMENSIONS);
    let index = open(dir.path());
    index.add(id(1), documents(1, 30)).await.unwrap();
    assert!(matches!(DatanetIndex::open(&mine), Err(RetrievalError::Locked(_))));
    index.close().await.unwrap();
    let other = IndexConfig { model: ModelId([8; 32]), ..mine.clone() };
    let error = DatanetIndex::open(&other).err().unwrap();
    assert!(matches!(error, RetrievalError::OtherModel { .. }) && error.wants_rebuild());
    let vectors = mine.directory.join("vectors.f32");
    std::fs::File::options().write(true).open(&vectors).unwrap().set_len(100).unwrap();
    assert!(DatanetIndex::open(&mine).err().unwrap().wants_rebuild());
    std::fs::write(mine.directory.join("terms/meta.json"), "{").unwrap();
    assert!(DatanetIndex::open(&mine).err().unwrap().wants_rebuild());
    std::fs::write(mine.directory.join("index.json"), "").unwrap();
    assert!(DatanetIndex::open(&mine).err().unwrap().wants_rebuild());
    let index = DatanetIndex::rebuild(&mine).unwrap();
    assert!(index.contributions().is_empty() && index.add(id(1), documents(1, 30)).await.unwrap());
}

#[tokio::test]
async fn after_close_every_clone_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let clone = index.clone();
    index.close().await.unwrap();
    assert!(matches!(clone.add(id(1), documents(1, 3)).await, Err(RetrievalError::Closed)));
}

/// What a program that is started at that moment holds, as a copy of the descriptor.
fn hold(path: &Path) -> std::fs::File {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_a_fork_still_holds_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    index.add(id(1), documents(1, 3)).await.unwrap();

    let mine = config(dir.path(), DIMENSIONS);
    let held = hold(&mine.directory.join("terms").join(".tantivy-writer.lock"));
    let mut adding = Box::pin(index.add(id(2), documents(2, 3)));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut adding).await.is_err());
    drop(held);
    assert!(adding.as_mut().await.unwrap());
    drop(adding);
    index.close().await.unwrap();

    let held = hold(&mine.directory.join("lock"));
    let opening = tokio::task::spawn_blocking(move || DatanetIndex::open(&mine));
    drop(held);
    let index = opening.await.unwrap().unwrap();
    assert_eq!(contents(&index).await.len(), 2);
}

/// Adds contributions until it is killed, and prints each one once it is acknowledged.
#[tokio::test]
#[ignore = "the child process of a_killed_process_leaves_whole_contributions"]
async fn adds_until_it_is_killed() {
    let Some(dir) = std::env::var_os("DATANET_TEST_INDEX") else { return };
    let index = open(Path::new(&dir));
    for n in 1..=u8::MAX {
        let mut upload = index.begin(id(n)).await.unwrap().unwrap();
        for part in documents(n, 40).chunks(10) {
            upload.push(part.to_vec()).await.unwrap();
        }
        // Another contribution, whose commit takes the open upload's records along.
        let mut other = [n; 32];
        other[31] ^= 0xff;
        index.add(ContributionId(other), Vec::new()).await.unwrap();
        upload.finish().await.unwrap();
        println!("added {n}");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_contributions() {
    for acknowledged in [1, 4, 7] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "retrieval::tests::durability::adds_until_it_is_killed", "--ignored", "--nocapture"])
            .env("DATANET_TEST_INDEX", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let seen = lines.filter(|line| line.contains("added ")).take(acknowledged).count();
        // SIGKILL, in the middle of whatever it does next.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, acknowledged);
        let index = open(dir.path());
        let found = contents(&index).await;
        for n in 1..=acknowledged as u8 {
            assert!(found.contains_key(&id(n)), "{n} was acknowledged");
        }
        assert!(found.values().all(|found| *found == records(40)));
        let next = acknowledged as u8 + 1;
        index.add(id(next), documents(next, 40)).await.unwrap();
        assert_eq!(contents(&index).await[&id(next)], records(40));
    }
}
