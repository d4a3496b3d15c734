//! The judges' reports behind a contribution's verdict, fetched from whoever has them.

use datanet_api::contributions::ContributionView;
use datanet_types::{BlobHash, ContributionId, NodeKey, Scores};
use futures::future::join_all;
use serde_json::value::RawValue;

use super::Records;
use crate::error::ServiceResult;

/// Longest report read, in bytes.
const MAX_REPORT_BYTES: u64 = 4 * 1024 * 1024;

impl Records {
    /// A contribution with those of its reports that are here or can be fetched soon. Once judged, the reason in
    /// words is that of the report closest to the tally.
    ///
    /// # Errors
    /// When there is no such contribution (`Code::UnknownContribution`), or the ledger has no block yet or cannot be
    /// read.
    pub async fn contribution_with_reports(&self, id: &ContributionId) -> ServiceResult<ContributionView> {
        self.with_reports(self.chain.contribution_without_reports(id)?).await
    }

    /// Adds the reports to a view. All are asked for at once: a judge that is gone costs its patience only once.
    ///
    /// # Errors
    /// None: a report that cannot be had now is left out.
    pub async fn with_reports(&self, mut view: ContributionView) -> ServiceResult<ContributionView> {
        let sources: Vec<_> = view.committee.iter().filter_map(|m| Some((m.report?, m.node, m.scores?))).collect();
        let texts = join_all(sources.iter().map(|(report, node, _)| self.report(report, node))).await;
        let mut best: Option<(u32, String)> = None;
        for ((_, _, scores), text) in sources.into_iter().zip(texts) {
            let Some(text) = text else { continue };
            if let (Some(tally), Some(summary)) = (view.scores, summary_of(&text)) {
                let distance = distance(&tally, &scores);
                if best.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
                    best = Some((distance, summary));
                }
            }
            view.reports.push(text);
        }
        if let Some((_, summary)) = best {
            view.reason = if view.reason.is_empty() { summary } else { format!("{}: {summary}", view.reason) };
        }
        Ok(view)
    }

    /// A judge's report, if it can be had within a moment.
    async fn report(&self, report: &BlobHash, node: &NodeKey) -> Option<Box<RawValue>> {
        /// How long a page may wait for a report from elsewhere.
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
        let from = [*node];
        let brought = self.blobs.bring(report, None, MAX_REPORT_BYTES, &from);
        // Held until read, so that the collector leaves it alone.
        let _held = tokio::time::timeout(PATIENCE, brought).await.ok()?.ok()?;
        let bytes = self.blobs.read(report, MAX_REPORT_BYTES).await.ok()?;
        RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
    }
}

fn summary_of(report: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Summary {
        summary: String,
    }
    Some(serde_json::from_str::<Summary>(report.get()).ok()?.summary)
}

fn distance(a: &Scores, b: &Scores) -> u32 {
    a.as_array().iter().zip(b.as_array()).map(|(a, b)| a.abs_diff(b)).fold(0, u32::saturating_add)
}
