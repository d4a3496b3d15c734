//! Why a number is not finite: the base that was brought, or what was learnt.

use datanet_inference::graph::build::Weights;

use super::{Setup, TrainError};

/// Looks for the reason of [`TrainError::NotFinite`] in the base model's weights, all of which are read once for it. A
/// loss that is wrong before the first step is not the learning rate's fault either way.
pub(super) fn blame(setup: &Setup<'_>, error: TrainError) -> TrainError {
    let TrainError::NotFinite { what, step, records } = error else { return error };
    if setup.job.scratch.is_none()
        && let Ok(weights) = Weights::open_folder(setup.base)
    {
        match weights.not_finite() {
            Ok(Some(tensor)) => return TrainError::BadBase { folder: setup.base.to_owned(), tensor },
            Ok(None) if step == 0 && what == "loss" => return TrainError::BaseAnswer { records },
            // Files that cannot be read now tell nothing.
            Ok(None) | Err(_) => {}
        }
    }
    TrainError::NotFinite { what, step, records }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::job::{Job, Task};
    use crate::recipe::Recipe;
    use crate::run::{Control, train};
    use crate::testing::{base, runtime, session, topics};

    const TENSOR: &str = "encoder.layer.5.output.LayerNorm.bias";

    /// A copy of the base model whose `TENSOR` begins with `number`.
    fn damaged(number: f32, folder: &Path) {
        for name in ["config.json", "tokenizer.json"] {
            std::fs::copy(base().join(name), folder.join(name)).unwrap();
        }
        let mut bytes = std::fs::read(base().join("model.safetensors")).unwrap();
        let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let tensors: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        let offset = usize::try_from(tensors[TENSOR]["data_offsets"][0].as_u64().unwrap()).unwrap();
        bytes[8 + header + offset..][..4].copy_from_slice(&number.to_le_bytes());
        std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
    }

    fn error(base: &Path, rate: f32) -> TrainError {
        let mut job = Job::new("minilm-l6", Task::Classify);
        (job.lora.layers, job.max_tokens) = (Some(vec![5]), 16);
        job.recipe = Recipe { epochs: 2, batch: 8, warmup: 0, learning_rate: rate, ..Recipe::default() };
        let (data, folder) = (topics(24, 6, true), tempfile::tempdir().unwrap());
        let (runtime, session, folder) = (runtime(), session(), folder.path());
        let setup = Setup { job: &job, data: &data, snapshot: "root", memory: None, base, runtime, session, folder };
        train(&setup, &mut |_| Control::Continue).unwrap_err()
    }

    #[test]
    fn a_base_with_a_number_that_is_none_is_blamed_and_its_tensor_named() {
        for number in [f32::NAN, f32::NEG_INFINITY] {
            let folder = tempfile::tempdir().unwrap();
            damaged(number, folder.path());
            let error = error(folder.path(), 1e-3);
            assert!(matches!(&error, TrainError::BadBase { tensor, .. } if tensor == TENSOR), "{error}");
            assert!(!error.to_string().contains("learning_rate"), "{error}");
        }
    }

    #[test]
    fn a_base_whose_good_numbers_overflow_is_not_said_to_learn_too_fast() {
        let folder = tempfile::tempdir().unwrap();
        damaged(f32::MAX, folder.path());
        let error = error(folder.path(), 1e-3);
        assert!(matches!(&error, TrainError::BaseAnswer { records } if records.len() == 8), "{error}");
    }
}
