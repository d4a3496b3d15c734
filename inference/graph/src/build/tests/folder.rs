//! Folders that say of a model in other words what it is, and folders that ask for other vectors of the same weights.

use std::path::Path;

use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::json;

use super::super::encoder::{POOLED, SENTENCE_EMBEDDING};
use super::super::*;
use super::{Encoded, data, expected, expose, run, table};
use crate::adapt::{AdaptSpec, Binding, adapt};
use crate::differentiate::{differentiate, gradient_name};
use crate::testing::{floats, session};

const TOLERANCE: f32 = 1e-5;

/// A copy of a small model whose tensors have other names.
fn copy(name: &str, rename: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(data(name).join("config.json"), folder.path().join("config.json")).unwrap();
    let bytes = std::fs::read(data(name).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views: Vec<(String, TensorView<'_>)> =
        tensors.tensors().into_iter().map(|(name, view)| (rename(&name), view)).collect();
    safetensors::serialize_to_file(views, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

/// What the encoder of a folder makes of the texts that transformers was asked.
fn pooled(folder: &Path, asked: &Encoded) -> Vec<f32> {
    let mut model = ModelFolder::open(folder).unwrap().encoder(Storage::Inline).unwrap();
    expose(&mut model, POOLED, &["batch", "width"]);
    let inputs = [(INPUT_IDS, table(&asked.ids)), (ATTENTION_MASK, table(&asked.mask))];
    run(&mut session(&model).unwrap(), &inputs, POOLED)
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < TOLERANCE)
}

#[test]
fn tensors_are_found_under_the_names_that_other_tools_give_them() {
    let asked: Encoded = expected("roberta");
    let right = pooled(&data("roberta"), &asked);
    let bare = |name: &str| name.strip_prefix("roberta.").unwrap_or(name).to_owned();
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let renames: [&dyn Fn(&str) -> String; 5] = [
        &bare,
        &|name| format!("roberta.{}", bare(name)),
        &|name| format!("0.auto_model.{}", bare(name)),
        &|name| format!("model.roberta.{}", old(&bare(name))),
        &|name| old(&bare(name)),
    ];
    for (at, rename) in renames.into_iter().enumerate() {
        assert!(close(&pooled(copy("roberta", rename).path(), &asked), &right), "renamed {at}");
    }
    let lost = copy("roberta", |name| name.replace("LayerNorm", "Norms"));
    let missing = ModelFolder::open(lost.path()).unwrap().encoder(Storage::Inline);
    assert!(matches!(missing, Err(BuildError::MissingTensor(name)) if name.contains("LayerNorm.weight")));
}

/// The hidden states of one text's tokens, padding left out.
fn tokens(asked: &Encoded, row: usize, width: usize) -> Vec<&[f32]> {
    let length = asked.ids[0].len();
    let states = asked.states[row * length * width..][..length * width].chunks(width);
    states.zip(&asked.mask[row]).filter(|(_, mask)| **mask == 1).map(|(state, _)| state).collect()
}

#[test]
fn a_folder_gets_the_pooling_that_it_asks_for() {
    type Expected = fn(&[&[f32]], usize) -> f32;
    let modes: [(&str, Expected); 5] = [
        ("mean_tokens", |tokens, i| tokens.iter().map(|token| token[i]).sum::<f32>() / tokens.len() as f32),
        ("cls_token", |tokens, i| tokens[0][i]),
        ("max_tokens", |tokens, i| tokens.iter().map(|token| token[i]).fold(f32::MIN, f32::max)),
        ("mean_sqrt_len_tokens", |tokens, i| {
            tokens.iter().map(|token| token[i]).sum::<f32>() / (tokens.len() as f32).sqrt()
        }),
        ("lasttoken", |tokens, i| tokens[tokens.len() - 1][i]),
    ];
    let folder = copy("distilbert", str::to_owned);
    let modules = json!([
        { "type": "sentence_transformers.models.Transformer", "path": "" },
        { "type": "sentence_transformers.models.Pooling", "path": "1_Pooling" }
    ]);
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    std::fs::write(folder.path().join("modules.json"), modules.to_string()).unwrap();
    let asked: Encoded = expected("distilbert");
    assert!(asked.mask.iter().any(|mask| mask.contains(&0)), "one of the texts is padded");
    for (mode, expected) in modes {
        let config = json!({ (format!("pooling_mode_{mode}")): true });
        std::fs::write(folder.path().join("1_Pooling/config.json"), config.to_string()).unwrap();
        assert!(can_be_trained(folder.path(), &asked), "{mode}");
        let found = pooled(folder.path(), &asked);
        let width = found.len() / asked.ids.len();
        for (row, found) in found.chunks(width).enumerate() {
            let tokens = tokens(&asked, row, width);
            let right: Vec<f32> = (0..width).map(|i| expected(&tokens, i)).collect();
            assert!(close(found, &right), "{mode} of text {row}");
        }
    }
}

/// Whether adapters over the encoder get a gradient through its pooling.
fn can_be_trained(folder: &Path, asked: &Encoded) -> bool {
    let model = ModelFolder::open(folder).unwrap().encoder(Storage::Inline).unwrap();
    let targets = vec!["q_lin".to_owned()];
    let adapted = adapt(&model, &AdaptSpec { targets, layers: None, binding: Binding::Shared, scale: 1.0 }).unwrap();
    let wanted = &adapted.slots[0].b;
    let trained = differentiate(&adapted.model, SENTENCE_EMBEDDING, &[wanted]).unwrap();
    let mut inputs = vec![(INPUT_IDS, table(&asked.ids)), (ATTENTION_MASK, table(&asked.mask))];
    for slot in &adapted.slots {
        inputs.push((&slot.a, floats(&[slot.in_features, 1], &vec![0.5; slot.in_features])));
        inputs.push((&slot.b, floats(&[1, slot.out_features], &vec![0.1; slot.out_features])));
    }
    let gradient = run(&mut session(&trained).unwrap(), &inputs, &gradient_name(wanted));
    gradient.iter().all(|number| number.is_finite()) && gradient.iter().any(|&number| number != 0.0)
}

#[test]
fn a_longer_input_than_the_folder_says_is_not_claimed() {
    let folder = copy("distilbert", str::to_owned);
    let positions = ModelFolder::open(folder.path()).unwrap().max_positions();
    std::fs::write(folder.path().join("sentence_bert_config.json"), r#"{"max_seq_length":5}"#).unwrap();
    assert!(positions > 5);
    assert_eq!(ModelFolder::open(folder.path()).unwrap().max_positions(), 5);
}

#[test]
fn the_ends_of_answers_are_those_for_writing_before_those_of_the_model() {
    let folder = copy("llama", str::to_owned);
    let ends = || ModelFolder::open(folder.path()).unwrap().ends().to_vec();
    let stated = ModelFolder::open(folder.path()).unwrap().decoder_config().unwrap().eos_token_ids.clone();
    assert_eq!(ends(), stated);
    std::fs::write(folder.path().join("generation_config.json"), r#"{"eos_token_id":[3,5]}"#).unwrap();
    assert_eq!(ends(), [3, 5]);
    std::fs::write(folder.path().join("generation_config.json"), r#"{"eos_token_id":[4000]}"#).unwrap();
    let error = ModelFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("generation_config.json") && error.contains("4000"), "{error}");
}

#[test]
fn every_file_that_is_read_is_listed_and_no_other() {
    let folder = copy("distilbert", str::to_owned);
    let further = || model_files(folder.path()).unwrap().further;
    std::fs::write(folder.path().join("README.md"), "words").unwrap();
    assert_eq!(further(), Vec::<std::path::PathBuf>::new());
    let modules = json!([{ "type": "x.Transformer", "path": "" }, { "type": "x.Pooling", "path": "p" }]);
    std::fs::create_dir(folder.path().join("p")).unwrap();
    for (file, text) in [
        ("modules.json", modules.to_string().as_str()),
        ("p/config.json", "{}"),
        ("sentence_bert_config.json", "{}"),
        ("tokenizer_config.json", "{}"),
        ("chat_template.jinja", ""),
        ("generation_config.json", "{}"),
    ] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let expected = [
        "chat_template.jinja",
        "generation_config.json",
        "modules.json",
        "p/config.json",
        "sentence_bert_config.json",
        "tokenizer_config.json",
    ];
    assert_eq!(further(), expected.map(std::path::PathBuf::from));
}
