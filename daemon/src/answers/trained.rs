//! What can be checked of a training at once: that its release is there, and what its transcript says is what its receipt does. Whether its steps were
//! taken so is what repeating the run tells.

use datanet_training::job::{Job, Method};
use datanet_training::transcript::Transcript;
use datanet_types::receipt::AnswerRecord;
use datanet_types::release::Release;

use super::Answers;
use crate::billing::training::records;
use crate::error::ServiceResult;
use crate::training::TRANSCRIPT_FILE;

/// Longest transcript that is read, in bytes.
const MAX_TRANSCRIPT: u64 = 64 << 20;

impl Answers {
    /// Holds the transcript in a release against the receipt that it was bought by: in words, why it fits or why not.
    ///
    /// # Errors
    /// When the transcript cannot be had ([`crate::error::Code::BlobUnavailable`]), or the blob store fails.
    pub(super) async fn told_of_training(&self, record: &AnswerRecord) -> ServiceResult<Result<String, String>> {
        let Some(release) = &record.output.release else { return Ok(Err("it has no manifest".to_owned())) };
        let Some(file) = release.file(TRANSCRIPT_FILE) else {
            return Ok(Err(format!("its release has no {TRANSCRIPT_FILE}, by which its run could be repeated")));
        };
        let limit = MAX_TRANSCRIPT.min(file.size);
        let _held = self.blobs.bring(&file.blob, Some(file.size), MAX_TRANSCRIPT, &[record.receipt.node]).await?;
        let bytes = self.blobs.read(&file.blob, limit).await?;
        let transcript = match std::str::from_utf8(&bytes).map_err(|error| error.to_string()) {
            Ok(text) => Transcript::from_json(text).map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        Ok(transcript.and_then(|transcript| {
            fits(release, &transcript, &record.receipt.snapshot.to_hex())?;
            let steps = record.receipt.usage.map_or(0, |usage| usage.steps);
            Ok(format!("its transcript tells of the same {steps} steps on the same data; `datanet train verify` on the registered model takes them again"))
        }))
    }
}

/// Whether a transcript is of the run that a manifest claims.
fn fits(release: &Release, transcript: &Transcript, snapshot: &str) -> Result<(), String> {
    let job = Job::from_json(&release.job).map_err(|error| format!("its manifest's job does not read: {error}"))?;
    let learnt = usize::try_from(records(release)).unwrap_or(usize::MAX);
    let schedule = job.recipe.steps(learnt);
    let halves = if job.attribution.method == Method::None { 0 } else { job.attribution.halves };
    let taken = transcript.losses.len();
    let wrong = [
        (transcript.job != job, "of another job".to_owned()),
        (transcript.snapshot != snapshot, "of other data".to_owned()),
        (transcript.records != learnt, format!("of {} records, and its manifest names {learnt}", transcript.records)),
        (
            taken != schedule || transcript.steps != schedule,
            format!("of {taken} steps, and its job takes {schedule} on its records"),
        ),
        (
            transcript.halves.len() != halves,
            format!("of {} trainings on halves, and its job has {halves}", transcript.halves.len()),
        ),
    ];
    match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, how)) => Err(format!("its transcript is {how}")),
        None => Ok(()),
    }
}
