use std::sync::Mutex;

use super::*;

/// Keeps what it is told.
#[derive(Default)]
struct Heard(Mutex<Vec<(Part, SetupEvent)>>);

impl Progress for Heard {
    fn on(&self, part: Part, event: &SetupEvent) {
        self.0.lock().unwrap().push((part, event.clone()));
    }
}

fn options(cache: &std::path::Path) -> SetupOptions {
    SetupOptions { cache: cache.to_path_buf(), verify: false, overrides: Vec::new() }
}

#[tokio::test]
async fn what_a_variable_names_wins_and_the_cache_stays_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("my-cometbft");
    std::fs::write(&program, b"").unwrap();
    let cache = dir.path().join("cache");
    let mut options = options(&cache);
    options.overrides.push((Part::Cometbft, program.clone()));
    assert_eq!(ensure_part(Part::Cometbft, &options, Arc::new(SilentProgress)).await.unwrap(), program);
    assert!(!cache.exists());
}

#[tokio::test]
async fn a_variable_that_names_nothing_is_an_error_that_names_the_variable_and_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.overrides.push((Part::Model, dir.path().to_path_buf()));
    std::fs::write(dir.path().join("config.json"), b"{}").unwrap();
    let error = ensure_part(Part::Model, &options, Arc::new(SilentProgress)).await.unwrap_err().to_string();
    assert!(error.contains("DATANET_MODEL=") && error.contains("model.safetensors"), "{error}");
    // Weights in several files, or a graph, are weights too.
    std::fs::write(dir.path().join("tokenizer.json"), b"{}").unwrap();
    for weights in ["model.safetensors.index.json", "model.onnx"] {
        std::fs::write(dir.path().join(weights), b"{}").unwrap();
        assert_eq!(ensure_part(Part::Model, &options, Arc::new(SilentProgress)).await.unwrap(), dir.path());
        std::fs::remove_file(dir.path().join(weights)).unwrap();
    }
}

#[tokio::test]
async fn a_second_process_waits_for_the_first_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path());
    let heard = Arc::new(Heard::default());
    let report = Reporter::new(Part::Model, heard.clone());
    let first = cache.lock(Part::Model, &report).await.unwrap();
    let other = cache.lock(Part::Cometbft, &report).await.unwrap();
    assert!(heard.0.lock().unwrap().is_empty(), "different parts do not wait for each other");
    let mut second = once_pending(cache.lock(Part::Model, &report)).await;
    assert_eq!(heard.0.lock().unwrap().as_slice(), [(Part::Model, SetupEvent::Waiting)]);
    drop(first);
    second.as_mut().await.unwrap();
    drop(other);
}

/// Polls a future once; it must be pending.
async fn once_pending<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(futures::poll!(future.as_mut()).is_pending());
    future
}

#[tokio::test]
async fn the_real_parts_are_there_and_a_second_call_is_quick() {
    let options = SetupOptions::from_env().unwrap();
    let toolbox = match ensure(&options, Arc::new(SilentProgress)).await {
        Ok(toolbox) => toolbox,
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED, because setup cannot bring everything: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert!(toolbox.cometbft.is_file() && toolbox.onnxruntime.is_file());
    assert!(toolbox.model_dir.join("tokenizer.json").is_file());
    let heard = Arc::new(Heard::default());
    assert_eq!(ensure(&options, heard.clone()).await.unwrap(), toolbox);
    let heard = heard.0.lock().unwrap();
    assert_eq!(heard.len(), Part::ALL.len(), "nothing but that each part is there: {heard:?}");
    assert!(heard.iter().all(|(_, event)| matches!(event, SetupEvent::Done { cached: true, .. })), "{heard:?}");
}
