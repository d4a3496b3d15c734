use std::{path::PathBuf, sync::OnceLock};

use tokenizers::Tokenizer;

use super::*;
use crate::{
    data::Dataset,
    job::{CurvatureRows, Method, Scratch},
    recipe::Recipe,
    run::{Control, Setup, train},
    testing::{base, prose, runtime, session, topics},
    tokenizer::END,
};

/// Trains and gives the release's folder.
fn release(job: &Job, data: &Dataset, base: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        job,
        data,
        snapshot: "root",
        memory: None,
        base,
        runtime: runtime(),
        session: session(),
        folder: folder.path(),
    };
    train(&setup, &mut |_| Control::Continue).unwrap();
    let release = folder.path().join("release");
    (folder, release)
}

fn classifier() -> &'static (Dataset, tempfile::TempDir, PathBuf) {
    static RELEASE: OnceLock<(Dataset, tempfile::TempDir, PathBuf)> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let mut job = Job::new("minilm-l6", Task::Classify);
        (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![5]), 32);
        job.recipe = Recipe { epochs: 3, batch: 16, warmup: 4, ..Recipe::default() };
        (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::All);
        (job.attribution.audit_subsets, job.attribution.audit_contributors) = (0, 0);
        let data = topics(96, 24, true);
        let (folder, release) = release(&job, &data, &base());
        (data, folder, release)
    })
}

fn open(release: &Path) -> Explainer {
    Explainer::open(&base(), release, runtime(), session()).unwrap()
}

#[test]
fn an_answer_is_explained_by_contributors_and_by_records() {
    let (data, _folder, release) = classifier();
    let mut explainer = open(release);
    assert_eq!(explainer.columns(), ["ann", "bob", "cem", "dua"]);
    let text = &data.held_out[0].text;
    let label = data.held_out[0].label.unwrap();
    let said = explainer.answer(text).unwrap();
    assert!((said.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let why = explainer.explain(text, label).unwrap();
    assert!((why.loss + said[label].ln()).abs() < 1e-3, "{} {said:?}", why.loss);
    let records = why.records.unwrap();
    assert_eq!(records.len(), 96);
    assert_eq!((explainer.records(), explainer.paid()), (Some(96), explainer.columns()));
    assert!(why.pay.len() == 4 && why.pay != why.values && why.pay.iter().all(|value| value.is_finite()));
    for (source, value) in why.values.iter().enumerate() {
        let own = data.train.iter().zip(&records).filter(|(example, _)| example.source == source);
        let sum: f32 = own.map(|(_, value)| value).sum();
        assert!((sum - value).abs() < 2e-3 * (1.0 + value.abs()), "{sum} {value}");
    }
}

#[test]
fn a_counterfactual_answer_moves_as_the_values_say() {
    let (data, _folder, release) = classifier();
    let mut explainer = open(release);
    let (mut agree, mut count) = (0, 0);
    for example in &data.held_out[..12] {
        let label = example.label.unwrap();
        let said = explainer.answer(&example.text).unwrap()[label];
        let without = explainer.counterfactual(&example.text).unwrap();
        assert_eq!(without.len(), 4);
        let values = explainer.explain(&example.text, label).unwrap().values;
        for (row, value) in without.iter().zip(values).filter(|(_, value)| value.abs() > 1e-3) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            count += 1;
            agree += usize::from((said > row[label]) == (value > 0.0));
        }
    }
    assert!(count > 10 && agree * 10 >= count * 8, "{agree} of {count}");
}

#[test]
fn questions_that_do_not_fit_are_refused() {
    let (_, _folder, release) = classifier();
    let mut explainer = open(release);
    assert!(matches!(explainer.explain("soup", 3), Err(AnswerError::Label { label: 3, labels: 3 })));
    assert!(matches!(explainer.explain_written(&[1], &[2]), Err(AnswerError::Task(Task::Classify))));
}

#[test]
fn a_damaged_release_does_not_open() {
    let (_, _folder, release) = classifier();
    for file in ["job.json", "labels.json", TABLE_FILE, PAY_FILE, "adapter_model.safetensors"] {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(release).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        std::fs::write(copy.path().join(file), b"not what it was").unwrap();
        assert!(Explainer::open(&base(), copy.path(), runtime(), session()).is_err(), "{file}");
        std::fs::remove_file(copy.path().join(file)).unwrap();
        let missing = Explainer::open(&base(), copy.path(), runtime(), session()).unwrap_err();
        assert_eq!(missing.to_string().contains("train the model again"), file == PAY_FILE, "{file}: {missing}");
    }
}

#[test]
fn a_noisy_contributor_is_paid_less_than_the_others_for_the_held_out_records() {
    let (data, _folder, release) = classifier();
    let mut explainer = open(release);
    let mut sums = [0.0f64; 4];
    for example in &data.held_out {
        let why = explainer.explain(&example.text, example.label.unwrap()).unwrap();
        sums.iter_mut().zip(&why.pay).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(sums[..3].iter().all(|sum| *sum > 0.0) && least == sums[3], "{sums:?}");
}

#[test]
fn a_noisy_contributor_is_paid_least_by_the_answers_that_were_given_wrong_ones_among_them() {
    // What a node attributes: nobody knows the right label when it is asked.
    let (data, _folder, release) = classifier();
    let mut explainer = open(release);
    let (mut sums, mut by_wrong, mut wrong) = ([0.0f64; 4], 0.0f64, 0);
    for example in &data.held_out {
        let said = explainer.answer(&example.text).unwrap();
        let given = (0..said.len()).max_by(|a, b| said[*a].total_cmp(&said[*b])).unwrap();
        let why = explainer.explain(&example.text, given).unwrap();
        sums.iter_mut().zip(&why.pay).for_each(|(sum, value)| *sum += f64::from(*value));
        if Some(given) != example.label {
            (by_wrong, wrong) = (by_wrong + f64::from(why.pay[3]), wrong + 1);
        }
    }
    let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(least == sums[3], "{sums:?}, of the last {by_wrong} by {wrong} wrong answers of {}", data.held_out.len());
}

#[test]
fn written_text_is_explained_without_its_prompt() {
    let mut scratch = Job::new("", Task::Generate);
    let small = Scratch { hidden: 32, intermediate: 64, layers: 1, heads: 2, kv_heads: 1, ..Scratch::default() };
    (scratch.scratch, scratch.max_tokens) = (Some(small), 24);
    scratch.recipe = Recipe { epochs: 2, batch: 16, warmup: 2, ..Recipe::default() };
    let data = prose(64, 8);
    let (_decoder, base) = release(&scratch, &data, &base());
    let mut job = Job::new("decoder", Task::Generate);
    (job.max_tokens, job.recipe) = (24, scratch.recipe);
    (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::TrueLabel);
    (job.attribution.audit_subsets, job.attribution.audit_contributors) = (0, 0);
    let (_folder, release) = release(&job, &data, &base);
    let mut explainer = Explainer::open(&base, &release, runtime(), session()).unwrap();
    let tokenizer = Tokenizer::from_file(base.join("tokenizer.json")).unwrap();
    let text: Vec<u32> = tokenizer.encode(data.held_out[0].text.as_str(), true).unwrap().get_ids().to_vec();
    let (prompt, written) = text.split_at(3);
    let why = explainer.explain_written(prompt, written).unwrap();
    assert!(why.loss > 0.0 && why.values.iter().any(|value| *value != 0.0));
    // All but the first token, which nothing predicts.
    let whole = explainer.explain_written(&text[..1], &text[1..]).unwrap();
    assert!(whole.loss > 0.0 && whole.values != why.values);
    let sum = |why: &Explanation, tokens: usize| f64::from(why.loss) * tokens as f64;
    let between = explainer.explain_written(&text[..1], &text[1..3]).unwrap();
    let parts = sum(&between, 2) + sum(&why, written.len());
    assert!((sum(&whole, text.len() - 1) - parts).abs() < 1e-3, "losses of tokens add up");
    // Longer than what training reads of a text, and ended by the model.
    let long = text.repeat(24);
    assert!(explainer.explain_written(&long, &[END]).unwrap().loss > 0.0);
    assert!(explainer.explain_written(&text, &[]).is_err() && explainer.explain_written(&[], &text).is_err());
    assert!(explainer.explain_written(prompt, &[u32::MAX]).unwrap_err().to_string().contains("the model knows"));
    assert!(matches!(explainer.explain(&data.held_out[0].text, 0), Err(AnswerError::Task(Task::Generate))));
}
