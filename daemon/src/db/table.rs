//! Tables of JSON values under byte keys: small, few, and readable when something is wrong.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use super::failed;
use crate::error::ServiceResult;

/// A table by name.
pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Makes the table, so that later reads find it.
pub(super) fn create(tx: &WriteTransaction, table: Table) -> ServiceResult<()> {
    tx.open_table(table).map(|_| ()).map_err(failed)
}

/// Stores `value` under `key`.
pub(super) fn put<V: Serialize>(tx: &WriteTransaction, table: Table, key: &[u8], value: &V) -> ServiceResult<()> {
    let bytes = serde_json::to_vec(value).map_err(failed)?;
    tx.open_table(table).map_err(failed)?.insert(key, bytes.as_slice()).map_err(failed)?;
    Ok(())
}

/// Removes `key`.
pub(super) fn remove(tx: &WriteTransaction, table: Table, key: &[u8]) -> ServiceResult<()> {
    tx.open_table(table).map_err(failed)?.remove(key).map_err(failed)?;
    Ok(())
}

/// The value under `key`, as this write transaction sees it.
pub(super) fn get_in<V: DeserializeOwned>(tx: &WriteTransaction, table: Table, key: &[u8]) -> ServiceResult<Option<V>> {
    let table = tx.open_table(table).map_err(failed)?;
    let found = table.get(key).map_err(failed)?;
    found.map(|guard| serde_json::from_slice(guard.value()).map_err(failed)).transpose()
}

/// The value under `key`.
pub(super) fn get<V: DeserializeOwned>(tx: &ReadTransaction, table: Table, key: &[u8]) -> ServiceResult<Option<V>> {
    let table = tx.open_table(table).map_err(failed)?;
    let found = table.get(key).map_err(failed)?;
    found.map(|guard| serde_json::from_slice(guard.value()).map_err(failed)).transpose()
}

/// All entries, in key order, as this write transaction sees them.
pub(super) fn all_in<V: DeserializeOwned>(tx: &WriteTransaction, table: Table) -> ServiceResult<Vec<(Vec<u8>, V)>> {
    collect(&tx.open_table(table).map_err(failed)?)
}

/// The last entries, in reverse key order.
pub(super) fn latest<V: DeserializeOwned>(
    tx: &ReadTransaction,
    table: Table,
    limit: usize,
) -> ServiceResult<Vec<(Vec<u8>, V)>> {
    let table = tx.open_table(table).map_err(failed)?;
    let entries = table.iter().map_err(failed)?.rev().take(limit);
    entries.map(|entry| read_entry(&entry.map_err(failed)?)).collect()
}

/// Up to `limit` entries whose key starts with `prefix`, in key order, as this write transaction sees them.
pub(super) fn first_in<V: DeserializeOwned>(
    tx: &WriteTransaction,
    table: Table,
    prefix: &[u8],
    limit: usize,
) -> ServiceResult<Vec<(Vec<u8>, V)>> {
    let table = tx.open_table(table).map_err(failed)?;
    let mut entries = Vec::new();
    for entry in table.range(prefix..).map_err(failed)?.take(limit) {
        let (key, value) = entry.map_err(failed)?;
        if !key.value().starts_with(prefix) {
            break;
        }
        entries.push((key.value().to_vec(), serde_json::from_slice(value.value()).map_err(failed)?));
    }
    Ok(entries)
}

/// Up to `limit` values of the keys from `from` to `to`, both included, in key order.
pub(super) fn between<V: DeserializeOwned>(
    tx: &ReadTransaction,
    table: Table,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> ServiceResult<Vec<V>> {
    let table = tx.open_table(table).map_err(failed)?;
    let entries = table.range(from..=to).map_err(failed)?.take(limit);
    entries.map(|entry| Ok(read_entry(&entry.map_err(failed)?)?.1)).collect()
}

/// All entries, in key order.
pub(super) fn all<V: DeserializeOwned>(tx: &ReadTransaction, table: Table) -> ServiceResult<Vec<(Vec<u8>, V)>> {
    collect(&tx.open_table(table).map_err(failed)?)
}

fn collect<V: DeserializeOwned>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> ServiceResult<Vec<(Vec<u8>, V)>> {
    let mut entries = Vec::new();
    for entry in table.iter().map_err(failed)? {
        entries.push(read_entry(&entry.map_err(failed)?)?);
    }
    Ok(entries)
}

type Entry<'a> = (redb::AccessGuard<'a, &'static [u8]>, redb::AccessGuard<'a, &'static [u8]>);

fn read_entry<V: DeserializeOwned>((key, value): &Entry<'_>) -> ServiceResult<(Vec<u8>, V)> {
    Ok((key.value().to_vec(), serde_json::from_slice(value.value()).map_err(failed)?))
}
