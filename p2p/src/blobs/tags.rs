//! Named tags: what the garbage collector must leave alone, and why.
//!
//! All names of a node's store are given here, each of a [`TagKind`], so that whoever knows what should be kept can
//! compare that with what is ([`Tags::list`], [`Tags::retain`]).

use std::fmt;

use iroh_blobs::HashAndFormat;
use iroh_blobs::api::Store;
use tokio_stream::StreamExt;

use super::{Blobs, failed};
use crate::{BlobError, Hash};

/// Why a blob is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagKind {
    /// A contribution's bytes, by its id.
    Contribution,
    /// The bytes of a contribution that is not on the ledger yet, by its id. They are given to nobody before
    /// [`Blobs::serve`].
    Pending,
    /// A datanet's held-out set, by its hash, so that no other set can take its place.
    Holdout,
    /// A judge's report, by the contribution's id.
    Report,
    /// A receipt of an answer, by its number.
    Receipt,
    /// The index of a statement of what an epoch's answers earned, by the epoch.
    Statement,
    /// A page of a statement, by the epoch, a slash and a number.
    StatementPage,
    /// The index of another node's statement, by the epoch's id: so that nobody's earnings are lost with the node that settled them.
    Witnessed,
    /// A page of another node's statement, by the epoch's id, a slash and a number.
    WitnessedPage,
    /// A model's manifest, by its id.
    Release,
    /// A file of a model, by its hash: models share them.
    ReleaseFile,
    /// Fetched only to be checked, by its hash; to be let go of once that is done.
    Checked,
}

impl TagKind {
    /// Every kind there is.
    pub const ALL: [Self; 12] = [
        Self::Contribution,
        Self::Pending,
        Self::Holdout,
        Self::Report,
        Self::Receipt,
        Self::Statement,
        Self::StatementPage,
        Self::Witnessed,
        Self::WitnessedPage,
        Self::Release,
        Self::ReleaseFile,
        Self::Checked,
    ];

    /// The tag of this kind for what is called `id`.
    #[must_use]
    pub fn tag(self, id: impl fmt::Display) -> Tag {
        Tag { kind: self, id: id.to_string() }
    }

    /// As it stands on disk: never to be changed.
    fn prefix(self) -> &'static str {
        match self {
            Self::Contribution => "contribution/",
            Self::Pending => "pending/",
            Self::Holdout => "holdout/",
            Self::Report => "report/",
            Self::Receipt => "receipt/",
            Self::Statement => "statement/",
            Self::StatementPage => "statement-page/",
            Self::Witnessed => "witnessed/",
            Self::WitnessedPage => "witnessed-page/",
            Self::Release => "release/",
            Self::ReleaseFile => "release-file/",
            Self::Checked => "checked/",
        }
    }
}

/// The name under which a blob is kept: of what kind it is, and its id among them.
///
/// ```
/// use datanet_p2p::TagKind;
///
/// let tag = TagKind::Contribution.tag("0f3a");
/// assert_eq!((tag.kind(), tag.id(), tag.to_string().as_str()), (TagKind::Contribution, "0f3a", "contribution/0f3a"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    kind: TagKind,
    id: String,
}

impl Tag {
    /// Why the blob is kept.
    #[must_use]
    pub fn kind(&self) -> TagKind {
        self.kind
    }

    /// What it is called among those of its kind.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn parse(name: &str) -> Option<Self> {
        TagKind::ALL.into_iter().find_map(|kind| Some(kind.tag(name.strip_prefix(kind.prefix())?)))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.prefix(), self.id)
    }
}

/// The tags of a store; from [`Blobs::tags`].
#[derive(Clone, Debug)]
pub struct Tags {
    blobs: Blobs,
}

impl Blobs {
    /// The names under which blobs are kept.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags { blobs: self.clone() }
    }
}

impl Tags {
    /// Keeps a blob until its tag is dropped, over restarts. A tag keeps one blob; a second call moves it. On return it
    /// is on disk.
    ///
    /// # Errors
    /// The blob is not completely here, or the store failed.
    pub async fn keep(&self, tag: &Tag, hash: Hash) -> Result<(), BlobError> {
        self.keep_all(&[(tag.clone(), hash)]).await
    }

    /// As [`Tags::keep`] for many at once, with one wait for the disk.
    ///
    /// # Errors
    /// As [`Tags::keep`]; some may be kept then.
    pub async fn keep_all(&self, names: &[(Tag, Hash)]) -> Result<(), BlobError> {
        let store = self.blobs.inner.store.get();
        for (tag, hash) in names {
            // Held until the tag is set, so that no collection comes in between.
            let _hold = self.blobs.hold(*hash).await?;
            // Before it has the name: a failure in between withholds what it need not, and not the other way round.
            if tag.kind == TagKind::Pending {
                self.blobs.inner.withheld.add(*hash);
            }
            store.tags().set(tag.to_string(), HashAndFormat::raw((*hash).into())).await.map_err(failed)?;
        }
        store.sync_db().await.map_err(failed)
    }

    /// Gives a tag up; `false` when there was none. Without another tag, the next collection deletes the blob.
    ///
    /// # Errors
    /// The store failed.
    pub async fn drop(&self, tag: &Tag) -> Result<bool, BlobError> {
        let store = self.blobs.inner.store.get();
        let removed = store.tags().delete(tag.to_string()).await.map_err(failed)?;
        store.sync_db().await.map_err(failed)?;
        Ok(removed > 0)
    }

    /// The blob that a tag keeps.
    ///
    /// # Errors
    /// The store failed.
    pub async fn get(&self, tag: &Tag) -> Result<Option<Hash>, BlobError> {
        let found = self.blobs.inner.store.get().tags().get(tag.to_string()).await.map_err(failed)?;
        Ok(found.map(|found| *found.hash.as_bytes()))
    }

    /// The tags of a kind and the blobs they keep, in the order of their ids.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, kind: TagKind) -> Result<Vec<(Tag, Hash)>, BlobError> {
        kept(&self.blobs.inner.store.get(), kind).await
    }

    /// Drops the tags of a kind that `keep` has no reason for, and gives them: what a crash, or a step that failed
    /// half-way, has left. Deletes nothing that has another tag.
    ///
    /// # Errors
    /// The store failed; some may be dropped then, and the next call drops the rest.
    pub async fn retain(
        &self,
        kind: TagKind,
        mut keep: impl FnMut(&Tag, &Hash) -> bool,
    ) -> Result<Vec<Tag>, BlobError> {
        let store = self.blobs.inner.store.get();
        let mut dropped = Vec::new();
        for (tag, hash) in self.list(kind).await? {
            if !keep(&tag, &hash) {
                store.tags().delete(tag.to_string()).await.map_err(failed)?;
                dropped.push(tag);
            }
        }
        if !dropped.is_empty() {
            store.sync_db().await.map_err(failed)?;
        }
        Ok(dropped)
    }
}

/// The tags of a kind in a store, and the blobs they keep.
pub(super) async fn kept(store: &Store, kind: TagKind) -> Result<Vec<(Tag, Hash)>, BlobError> {
    let mut tags = std::pin::pin!(store.tags().list_prefix(kind.prefix()).await.map_err(failed)?);
    let mut kept = Vec::new();
    while let Some(found) = tags.next().await {
        let found = found.map_err(failed)?;
        // Ours are all text; the store's own are of no kind of ours.
        if let Some(tag) = std::str::from_utf8(found.name.0.as_ref()).ok().and_then(Tag::parse) {
            kept.push((tag, *found.hash.as_bytes()));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_as_it_was_written_and_no_kind_hides_another() {
        for kind in TagKind::ALL {
            let tag = kind.tag("id/with-a-slash");
            assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        }
        assert_eq!(Tag::parse("auto-2026"), None);
    }

    #[test]
    fn names_on_disk_stay_what_they_are() {
        let names = TagKind::ALL.map(TagKind::prefix);
        let expected = [
            "contribution/",
            "pending/",
            "holdout/",
            "report/",
            "receipt/",
            "statement/",
            "statement-page/",
            "witnessed/",
            "witnessed-page/",
            "release/",
            "release-file/",
            "checked/",
        ];
        assert_eq!(names, expected);
    }
}
