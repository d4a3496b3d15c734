//! Every field of a fine-tuning job as OpenAI's clients ask for it, with what becomes of it here.

use Fate::{Holds, Ignored, Taken, Unless};
use datanet_api::fine_tuning::NewFineTuningJob;

use crate::http::extract::Shape;
use crate::http::extract::fields::harmless::{empty, none};
use crate::http::extract::fields::{Fate, Fields};

const METHOD: &str = "is not supported: training is supervised; leave it out and use \"supervised\"";

impl Shape for NewFineTuningJob {
    const FIELDS: Fields = Fields(&[&[
        ("model", Taken),
        ("training_file", Taken),
        ("validation_file", Taken),
        ("hyperparameters", Holds(&HYPERPARAMETERS)),
        ("method", Holds(&METHODS)),
        ("suffix", Taken),
        ("seed", Taken),
        ("metadata", Taken),
        ("datanets", Holds(&SNAPSHOT)),
        ("job", Taken),
        ("account", Taken),
        ("licence", Taken),
        ("user", Ignored),
        ("integrations", Unless(empty, "is not supported; leave it out, and read metrics from the job's events")),
    ]]);
}

static HYPERPARAMETERS: Fields =
    Fields(&[&[("n_epochs", Taken), ("batch_size", Taken), ("learning_rate_multiplier", Taken)]]);

static METHODS: Fields = Fields(&[&[
    ("type", Taken),
    ("supervised", Holds(&SUPERVISED)),
    ("dpo", Unless(none, METHOD)),
    ("reinforcement", Unless(none, METHOD)),
]]);

static SUPERVISED: Fields = Fields(&[&[("hyperparameters", Holds(&HYPERPARAMETERS))]]);

static SNAPSHOT: Fields = Fields(&[&[("datanet", Taken), ("count", Taken)]]);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datanet_api::fine_tuning::{Hyperparameters, Supervised, TrainingMethod};
    use serde_json::{Value, json};

    use super::*;
    use crate::http::extract::fields::check;

    #[test]
    fn what_is_said_to_be_read_is_read() {
        let same = |fields: &Fields, value: Value| {
            let taken: BTreeSet<String> = fields.taken().map(str::to_owned).collect();
            assert_eq!(taken, value.as_object().unwrap().keys().cloned().collect());
        };
        same(&NewFineTuningJob::FIELDS, serde_json::to_value(NewFineTuningJob::default()).unwrap());
        same(&HYPERPARAMETERS, serde_json::to_value(Hyperparameters::default()).unwrap());
        same(&METHODS, serde_json::to_value(TrainingMethod::default()).unwrap());
        same(&SUPERVISED, serde_json::to_value(Supervised::default()).unwrap());
    }

    #[test]
    fn what_is_not_done_is_refused_by_its_path() {
        for (body, param, says) in [
            (json!({ "integrations": [{}] }), "integrations", "leave it out"),
            (json!({ "method": { "dpo": {} } }), "method.dpo", "supervised"),
            (json!({ "hyperparameters": { "epochs": 2 } }), "hyperparameters.epochs", "n_epochs"),
            (
                json!({ "method": { "supervised": { "hyperparameters": { "batchsize": 2 } } } }),
                "method.supervised.hyperparameters.batchsize",
                "batch_size",
            ),
            (json!({ "datanets": ["birds", { "datanet": "fish", "counts": 3 }] }), "datanets[1].counts", "count"),
            (json!({ "trainingFile": "birds" }), "trainingFile", "training_file"),
        ] {
            let error = check(&NewFineTuningJob::FIELDS, body.as_object().unwrap()).unwrap_err();
            assert!(error.param.as_deref() == Some(param) && error.detail.contains(says), "{body}: {error}");
        }
    }
}
