//! PEFT's adapter folders: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! A factor is called `base_model.model.<prefix><module>.lora_A.weight`, where the prefix is the architecture's if the
//! adapter was made for a model of a task (`bert.`, `model.`) and empty otherwise; it is left out of
//! [`Adapter::modules`]. Every other tensor is one that was trained as a whole.

mod config;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::numbers::{Float, little_endian};
use super::{Adapter, AdapterError, DenseTensor, LoraPair, MAX_BYTES, MAX_MODULES};
use crate::adapt::bare_module;
use config::Config;

/// Name of the file that says what the adapter is.
pub const CONFIG: &str = "adapter_config.json";
/// Name of the file with the adapter's numbers.
pub const TENSORS: &str = "adapter_model.safetensors";

const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Before the names of all tensors.
const ROOT: &str = "base_model.model.";
/// Letters of a tensor's name at most.
const MAX_NAME: usize = 1_024;

/// Reads an adapter folder.
///
/// # Errors
/// [`AdapterError::Unsupported`] for anything but plain LoRA, and [`AdapterError`] for files that are missing, damaged,
/// too large, or hold numbers that are not finite.
pub fn read(folder: &Path) -> Result<Adapter, AdapterError> {
    let config = Config::parse(&read_file(&folder.join(CONFIG), MAX_CONFIG_BYTES)?)?;
    let bytes = read_file(&folder.join(TENSORS), MAX_BYTES)?;
    parse(&config, &bytes)
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, AdapterError> {
    let failed = |source| AdapterError::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > limit {
        return Err(AdapterError::TooLarge(format!("{} has {length} bytes, more than {limit}", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

fn parse(config: &Config, bytes: &[u8]) -> Result<Adapter, AdapterError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| AdapterError::Damaged(error.to_string()))?;
    if tensors.len() > 2 * MAX_MODULES {
        return Err(AdapterError::TooLarge(format!("{} tensors", tensors.len())));
    }
    let mut factors: BTreeMap<String, [Option<DenseTensor>; 2]> = BTreeMap::new();
    let mut saved = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let tensor = dense(name, &view)?;
        let replaced = match Part::of(name)? {
            Part::Factor { module, place } => factors.entry(module).or_default()[place].replace(tensor).is_some(),
            Part::Saved(name) => saved.insert(name, tensor).is_some(),
        };
        if replaced {
            return Err(AdapterError::Duplicate(name.to_owned()));
        }
    }
    // A head that PEFT saved reads another vector than the heads here, which have this name.
    if config.saves_modules && saved.contains_key("classifier.weight") {
        let what = "modules_to_save (classifier, a head over the base's own pooler)";
        return Err(AdapterError::Unsupported(what.to_owned()));
    }
    let mut modules = BTreeMap::new();
    for (module, pair) in factors {
        let [Some(a), Some(b)] = pair else { return Err(AdapterError::Unpaired(module)) };
        modules.insert(module.clone(), paired(&module, a, b)?);
    }
    let targets = config.targets.clone().unwrap_or_else(|| modules.keys().cloned().collect());
    let (base, rank, alpha) = (config.base.clone(), config.rank, config.alpha);
    let adapter = Adapter { base, rank, alpha, targets, modules, saved };
    adapter.check()?;
    Ok(adapter)
}

/// What a tensor of the file is.
enum Part {
    Factor { module: String, place: usize },
    Saved(String),
}

impl Part {
    fn of(name: &str) -> Result<Self, AdapterError> {
        let path = name.strip_prefix(ROOT).filter(|path| !path.is_empty() && path.len() <= MAX_NAME);
        let path = path.ok_or_else(|| AdapterError::UnknownName(name.chars().take(MAX_NAME).collect()))?;
        for (place, factor) in [".lora_A", ".lora_B"].into_iter().enumerate() {
            let module =
                [".weight", ".default.weight"].iter().find_map(|end| path.strip_suffix(end)?.strip_suffix(factor));
            if let Some(module) = module.filter(|module| !module.is_empty()) {
                return Ok(Self::Factor { module: bare_module(module).to_owned(), place });
            }
        }
        if path.contains("lora_") {
            return Err(AdapterError::Unsupported(format!("tensor {name}")));
        }
        Ok(Self::Saved(path.replace("modules_to_save.default.", "").replace("modules_to_save.", "")))
    }
}

fn dense(name: &str, view: &TensorView<'_>) -> Result<DenseTensor, AdapterError> {
    let float = match view.dtype() {
        Dtype::F32 => Float::Single,
        Dtype::F16 => Float::Half,
        Dtype::BF16 => Float::Brain,
        other => return Err(AdapterError::Unsupported(format!("the element type {other:?} of {name}"))),
    };
    Ok(DenseTensor { shape: view.shape().to_vec(), data: float.read(view.data()) })
}

fn paired(module: &str, a: DenseTensor, b: DenseTensor) -> Result<LoraPair, AdapterError> {
    match (a.shape.as_slice(), b.shape.as_slice()) {
        (&[rank, in_features], &[out_features, other]) if rank == other => {
            Ok(LoraPair { a: a.data, b: b.data, in_features, out_features })
        }
        _ => Err(AdapterError::Shape { name: module.to_owned() }),
    }
}

/// Writes an adapter folder that PEFT loads onto a causal language model of the Llama family, or onto a bare encoder.
///
/// Tensors saved as a whole, such as a head over the mean vector, lie in the file beside the factors. They are not
/// named in `modules_to_save`: the heads of Hugging Face's classes read other vectors, so PEFT shall not fill them.
/// Each file is written whole before it takes its name.
///
/// # Errors
/// As [`Adapter::check`], and [`AdapterError::File`].
pub fn write(adapter: &Adapter, folder: &Path) -> Result<(), AdapterError> {
    adapter.check()?;
    let decoder = adapter.modules.keys().any(|module| module.starts_with("layers."));
    let (prefix, task) = if decoder { ("model.", "CAUSAL_LM") } else { ("", "FEATURE_EXTRACTION") };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (module, pair) in &adapter.modules {
        let prefix = if module.starts_with("lm_head") { "" } else { prefix };
        let mut add = |factor: &str, shape: [usize; 2], data: &[f32]| {
            let name = format!("{ROOT}{prefix}{module}.{factor}.weight");
            tensors.push((name, shape.to_vec(), little_endian(data)));
        };
        add("lora_A", [adapter.rank, pair.in_features], &pair.a);
        add("lora_B", [pair.out_features, adapter.rank], &pair.b);
    }
    for (name, tensor) in &adapter.saved {
        tensors.push((format!("{ROOT}{name}"), tensor.shape.clone(), little_endian(&tensor.data)));
    }
    let damaged = |error: safetensors::SafeTensorError| AdapterError::Damaged(error.to_string());
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views.map_err(damaged)?, Some(metadata)).map_err(damaged)?;
    std::fs::create_dir_all(folder).map_err(|source| AdapterError::File { path: folder.to_owned(), source })?;
    write_file(folder, TENSORS, &bytes)?;
    write_file(folder, CONFIG, config::text(adapter, task).as_bytes())
}

fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), AdapterError> {
    let (path, partial) = (folder.join(name), folder.join(format!("{name}.partial")));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, &path));
    written.map_err(|source| AdapterError::File { path, source })
}
