//! Texts on a transformer as a task to be studied.

mod paid;

use std::path::Path;

use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_training::attribution::audit::{AuditPlan, Progress};
use datanet_training::attribution::{Curvature, Model, Rows};
use datanet_training::data::{Dataset, Task};
use datanet_training::job::Job;
use datanet_training::network::{Network, NetworkConfig, NetworkError};
use datanet_training::run::Course;

use crate::peers::Peers;
use crate::similarity::unit;
use crate::{Report, Study, StudyError, Vectors, run};

pub use paid::{Paid, Truth, Worth};

/// A network with its records and queries loaded.
#[derive(Debug)]
pub struct TextTask {
    /// The network: training records are its first samples, held-out ones its last.
    pub network: Network,
    /// The training.
    pub course: Course,
    /// The contributor of each training record.
    pub contributors: Vec<usize>,
    /// The samples that are asked about.
    pub queries: Vec<usize>,
    /// The base model's vectors of all samples and their labels; none for a language model.
    vectors: Option<(Rows, Vec<usize>)>,
}

/// What of a text task is compared.
#[derive(Clone)]
pub struct TextPlan<'a> {
    /// Forward replay with each of these.
    pub curvatures: &'a [Curvature],
    /// Gauss-Newton influence with each of these dampings.
    pub dampings: &'a [f32],
    /// From these rows.
    pub gauss_newton_rows: Curvature,
    /// Other people's software that is asked as well.
    pub peers: Option<&'a dyn Peers>,
    /// What is really removed.
    pub audit: &'a AuditPlan,
}

impl TextTask {
    /// Loads a data set into the job's network over `base`; hidden states too large for memory lie in `cache`.
    ///
    /// # Errors
    /// When the network cannot be made or run.
    pub fn new(
        data: &Dataset,
        job: &Job,
        base: &Path,
        cache: &Path,
        runtime: &Runtime,
        session: &SessionConfig,
    ) -> Result<Self, NetworkError> {
        let classes = if job.task == Task::Classify { data.labels.len() } else { 0 };
        let mut network = Network::new(NetworkConfig { job, base, classes, cache, runtime, session })?;
        network.load_data(data)?;
        let initial = network.layout().initial(job.recipe.seed);
        let samples: Vec<usize> = (0..network.samples()).collect();
        let vectors = if job.task == Task::Classify {
            // An adapter starts at zero, so this is what the base says.
            let pooled = network.forward(&initial, &samples)?.pooled;
            let labels = samples.iter().map(|sample| network.label(*sample).unwrap_or_default()).collect();
            Some((unit(&pooled), labels))
        } else {
            None
        };
        Ok(Self {
            course: Course::new(job.recipe.clone(), initial, data.train.len()),
            contributors: data.train.iter().map(|example| example.source).collect(),
            queries: network.held_out(),
            network,
            vectors,
        })
    }

    /// Compares the methods.
    ///
    /// # Errors
    /// As [`run`].
    pub fn run(&mut self, plan: &TextPlan<'_>, progress: &mut Progress<'_>) -> Result<Report, StudyError> {
        let count = self.contributors.len();
        let parts = self
            .vectors
            .as_ref()
            .map(|(all, labels)| (all.part(0..count), all.part(count..all.rows), &labels[..count], &labels[count..]));
        let vectors = parts.as_ref().map(|(records, answers, labels, answer_labels)| Vectors {
            records,
            labels,
            answers,
            answer_labels,
        });
        let shared = self.network.beside(1);
        let others = || -> Box<dyn Model + Send> { Box::new(shared.beside(1)) };
        let study = Study {
            course: &self.course,
            contributors: &self.contributors,
            queries: &self.queries,
            curvatures: plan.curvatures,
            dampings: plan.dampings,
            gauss_newton_rows: plan.gauss_newton_rows,
            vectors,
            peers: plan.peers,
            others: Some(&others),
            plan: plan.audit,
        };
        run(&mut self.network, &study, progress)
    }

    /// P.
    pub fn parameters(&self) -> usize {
        self.network.parameters()
    }
}

#[cfg(test)]
mod tests;
