//! What a training that was bought says: the manifest of its release, and whose records it read.
//!
//! A release says itself how many records of each contribution it was trained on, and each run that repeats it counts the same. So weights by records
//! follow from the manifest alone, which is on the receipt: no file has to be fetched and nothing computed again to check who is paid.

use super::{AnswerRecord, AskOutput, Credit, Method, ReceiptError, weights_of};
use crate::release::{DataSnapshot, Origin, Release};
use crate::{ContributionId, Ppm};

/// The weights that follow from a manifest: each contribution by its records that were trained on, ordered by contribution.
pub fn training_weights(release: &Release) -> Vec<(ContributionId, Ppm)> {
    let parts = release.sources.iter().flat_map(|source| &source.contributions);
    weights_of(parts.map(|part| (part.contribution, part.records)))
}

/// The credits of a training with this manifest.
pub fn training_credits(release: &Release) -> Vec<Credit> {
    release.credited(training_weights(release))
}

/// What needs neither ledger nor files: the manifest is a good one, of an adapter, of one datanet's data, by the very job that was asked for; it is
/// there where something was trained, and nowhere else.
pub(super) fn check(record: &AnswerRecord) -> Result<(), ReceiptError> {
    let bad = |why| Err(ReceiptError::Training(why));
    let (receipt, output) = (&record.receipt, &record.output);
    if receipt.method != Method::Training as i32 {
        return if output.release.is_none() { Ok(()) } else { bad("is of another method") };
    }
    let Some(release) = &output.release else { return bad("has no manifest") };
    if *output != (AskOutput { release: output.release.clone(), ..AskOutput::default() }) {
        return bad("answers something else beside");
    }
    if release.validate().is_err() || release.origin() != Origin::Adapter {
        return bad("has a manifest that is none of an adapter");
    }
    if receipt.usage.is_none() {
        return bad("does not say what it took");
    }
    let of = release.snapshots.iter().map(|snapshot| snapshot.datanet);
    if !of.eq([receipt.datanet]) || receipt.snapshot != DataSnapshot::digest_of(&release.snapshots) {
        return bad("is of other data than its manifest");
    }
    if record.input.text != release.job {
        return bad("was asked for by another job than its manifest's");
    }
    Ok(())
}
