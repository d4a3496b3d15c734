//! Recipes other than a job's own, to see what they do to accuracy and to faithfulness.

use datanet_training::recipe::Recipe;

/// What of a recipe is another than a job's own.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Tuned {
    /// Highest learning rate of the adapters, of texts and of the task of language; a job's own if not given
    #[arg(long)]
    pub rate: Option<f32>,
    /// Passes over the records, likewise
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Records a step, likewise
    #[arg(long)]
    pub batch: Option<usize>,
}

impl Tuned {
    /// Changes what was given.
    pub(super) fn apply(&self, recipe: &mut Recipe) {
        recipe.learning_rate = self.rate.unwrap_or(recipe.learning_rate);
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch = self.batch.unwrap_or(recipe.batch);
    }
}
