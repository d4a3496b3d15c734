use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::*;

/// Datanets of the test that counts, and how many of them may be open.
const MANY: usize = 300;
const FEW: usize = 8;

fn limits(open: usize) -> PoolLimits {
    PoolLimits { open, ..PoolLimits::default() }
}

fn nth(directory: &Path, n: usize) -> IndexConfig {
    IndexConfig { directory: directory.join(n.to_string()), ..config(directory, DIMENSIONS) }
}

/// What this process has open below `directory`.
fn files(directory: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target: &PathBuf| target.starts_with(directory)).count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Runs this very test alone in a process of its own, where the threads are its own; `true` in there.
fn alone(name: &str) -> bool {
    const ALONE: &str = "DATANET_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let run = Command::new(std::env::current_exe().unwrap()).args(["--exact", &name]).env(ALONE, "").output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    false
}

#[tokio::test]
async fn hundreds_of_datanets_are_searched_with_few_files_and_no_thread_of_their_own() {
    if !alone("hundreds_of_datanets_are_searched_with_few_files_and_no_thread_of_their_own") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let request = |n: usize| {
        let embedding = Some(Draw(n as u64).unit(DIMENSIONS));
        SearchRequest { mode: Mode::Hybrid, embedding, ..by_text("river stone engine") }
    };
    let mut expected = Vec::new();
    for n in 0..MANY {
        let index = DatanetIndex::open(&nth(dir.path(), n)).unwrap();
        index.add(id(n as u8), documents(n as u8, 3)).await.unwrap();
        expected.push(index.search(request(n)).await.unwrap());
        index.close().await.unwrap();
    }
    let pool = IndexPool::new(limits(FEW));
    let before = threads();
    for (n, expected) in expected.iter().enumerate() {
        let index = pool.get(&nth(dir.path(), n)).await.unwrap();
        assert_eq!(index.search(request(n)).await.unwrap(), *expected);
        drop(index);
        assert!(pool.open() <= FEW);
        assert!(files(dir.path()) <= 2 * FEW, "{} files are open", files(dir.path()));
    }
    // Lanes, and threads of the process that scan vectors: as many as processors, not as datanets.
    let processors = std::thread::available_parallelism().unwrap().get();
    assert!(threads() <= before + 2 * processors + 2, "{} threads, {before} before", threads());
    assert_eq!(pool.open(), FEW);
}

#[tokio::test]
async fn an_index_in_use_stays_open_and_whoever_wants_another_waits() {
    let dir = tempfile::tempdir().unwrap();
    let pool = IndexPool::new(limits(1));
    let index = pool.get(&nth(dir.path(), 0)).await.unwrap();
    let upload = index.begin(id(1)).await.unwrap().unwrap();
    drop(index);
    let (other, second) = (pool.clone(), nth(dir.path(), 1));
    let waiting = tokio::spawn(async move { other.get(&second).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    // The one in use is lent meanwhile.
    assert!(!pool.get(&nth(dir.path(), 0)).await.unwrap().contains(&id(1)));
    upload.finish().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(pool.get(&nth(dir.path(), 0)).await.unwrap().contains(&id(1)));
    assert_eq!(pool.open(), 1);
}

#[tokio::test]
async fn what_is_idle_is_closed_and_opened_again_when_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let pool = IndexPool::new(PoolLimits { idle: Duration::from_millis(20), ..limits(4) });
    for n in 0..4 {
        pool.get(&nth(dir.path(), n)).await.unwrap().add(id(7), documents(7, 3)).await.unwrap();
    }
    let held = pool.get(&nth(dir.path(), 0)).await.unwrap();
    while pool.open() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(files(dir.path()), 2);
    assert!(held.contains(&id(7)) && pool.get(&nth(dir.path(), 3)).await.unwrap().contains(&id(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_the_same_time_share_one_and_those_who_leave_lock_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let pool = IndexPool::new(limits(2));
    for round in 0..30 {
        let callers: Vec<_> = (0..12)
            .map(|n| {
                let (pool, config) = (pool.clone(), nth(dir.path(), (round + n) % 5));
                tokio::spawn(async move { pool.get(&config).await.map(drop) })
            })
            .collect();
        for (n, caller) in callers.into_iter().enumerate() {
            if n % 3 == 0 {
                caller.abort();
            } else {
                caller.await.unwrap().unwrap();
            }
        }
    }
    assert!(pool.open() <= 2);
}

#[tokio::test]
async fn a_closed_a_damaged_and_another_models_index_are_made_good() {
    let dir = tempfile::tempdir().unwrap();
    let pool = IndexPool::new(PoolLimits::default());
    let mine = nth(dir.path(), 0);
    let index = pool.get(&mine).await.unwrap();
    index.add(id(1), documents(1, 3)).await.unwrap();
    index.close().await.unwrap();
    let index = pool.get(&mine).await.unwrap();
    assert!(index.contains(&id(1)));
    let other = pool.get(&IndexConfig { model: ModelId([8; 32]), ..mine.clone() }).await.unwrap();
    assert!(!other.contains(&id(1)) && matches!(index.remove(id(1)).await, Err(RetrievalError::Closed)));
    other.close().await.unwrap();
    std::fs::write(mine.directory.join("index.json"), "").unwrap();
    assert!(pool.get(&mine).await.unwrap().add(id(1), documents(1, 3)).await.unwrap());
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error_and_takes_no_room() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let pool = IndexPool::new(limits(1));
    let bad = IndexConfig { directory: dir.path().join("file/index"), ..config(dir.path(), DIMENSIONS) };
    for _ in 0..3 {
        assert!(matches!(pool.get(&bad).await, Err(RetrievalError::Io(_))));
    }
    assert_eq!(pool.open(), 0);
    pool.get(&nth(dir.path(), 0)).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_was_withdrawn_after_an_earlier_commit_comes_back_once() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut upload = index.begin(id(1)).await.unwrap().unwrap();
    upload.push(documents(1, 40)).await.unwrap();
    // This commit takes the records of the open upload along, and the end of that one ends the writer.
    index.add(id(2), documents(2, 10)).await.unwrap();
    drop(upload);
    assert!(!index.remove(id(9)).await.unwrap());
    index.add(id(1), documents(1, 40)).await.unwrap();
    let embedding = Some(Draw(1).unit(DIMENSIONS));
    let request = SearchRequest { mode: Mode::Hybrid, embedding, limit: MAX_HITS, ..by_text("the") };
    let mut found: Vec<_> =
        index.search(request).await.unwrap().iter().map(|hit| (hit.contribution, hit.record)).collect();
    let all = found.len();
    found.sort();
    found.dedup();
    assert_eq!((found.len(), all), (50, 50));
}
