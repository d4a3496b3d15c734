//! The influence table of a release: how each column's records moved the adapter, 16 bits a number.
//!
//! On disk it is a safetensors file: `dtheta` F16 `[C, P]`, `scale` F32 `[C]` and the columns' names as a JSON list in the
//! metadata. A row is stored divided by its largest number, so that small influences keep their eleven bits too.

use std::collections::HashMap;

use half::{f16, slice::HalfFloatSliceExt};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Most bytes of a table's file: 4 GiB.
pub const MAX_BYTES: usize = 1 << 32;
/// Most bytes of a column's name.
const MAX_NAME: usize = 256;
/// Numbers that are converted at once.
const PIECE: usize = 1024;

/// A table that cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is not such a table.
    #[error("not an influence table: {0}")]
    Corrupt(String),
    /// A vector does not belong to this table.
    #[error("the table is of {expected} parameters, but was given {found}; was it made for another model?")]
    Parameters {
        /// Parameters of the table.
        expected: usize,
        /// Length of the vector.
        found: usize,
    },
    /// A column that does not exist.
    #[error("column {column} does not exist, there are {columns}")]
    Column {
        /// The column asked for.
        column: usize,
        /// How many there are.
        columns: usize,
    },
    /// A number is infinite or not a number.
    #[error("the influence of a column is not finite")]
    NotFinite,
}

/// d_c = dtheta of every column c.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    parameters: usize,
    names: Vec<String>,
    scales: Vec<f32>,
    numbers: Vec<f16>,
}

impl Table {
    /// A table without columns.
    pub fn new(parameters: usize) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// Adds a column.
    ///
    /// # Errors
    /// When the vector has another length or is not finite, or the name is too long.
    pub fn push(&mut self, name: String, dtheta: &[f32]) -> Result<(), TableError> {
        self.check(dtheta)?;
        if name.len() > MAX_NAME {
            return Err(TableError::Corrupt(format!("a column's name has more than {MAX_NAME} bytes")));
        }
        let largest = dtheta.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        // The largest finite f16 is 65,504: rows are scaled to at most 1, so nothing can overflow.
        let scale = if largest > 0.0 { largest } else { 1.0 };
        self.names.push(name);
        self.scales.push(scale);
        self.numbers.extend(dtheta.iter().map(|x| f16::from_f32(x / scale)));
        Ok(())
    }

    /// P.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// C.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// What each column is called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// d_c of one column.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn column(&self, column: usize) -> Result<Vec<f32>, TableError> {
        let mut dtheta = vec![0.0; self.parameters];
        self.add_column(column, 1.0, &mut dtheta)?;
        Ok(dtheta)
    }

    /// The value of every column for an answer with this gradient of the loss: -g . d_c, positive where the column's
    /// records helped, in the loss's unit.
    ///
    /// # Errors
    /// When the gradient has another length.
    pub fn values(&self, gradient: &[f32]) -> Result<Vec<f32>, TableError> {
        self.check(gradient)?;
        if self.parameters == 0 {
            return Ok(vec![0.0; self.columns()]);
        }
        let rows = self.numbers.par_chunks(self.parameters).zip(&self.scales);
        Ok(rows.map(|(row, scale)| -(dot(row, gradient) * f64::from(*scale)) as f32).collect())
    }

    /// The columns of each group added up: the records of a contributor become the contributor.
    ///
    /// # Errors
    /// When a group names a column that does not exist.
    pub fn merge(&self, groups: &[(String, Vec<usize>)]) -> Result<Self, TableError> {
        let mut merged = Self::new(self.parameters);
        for (name, columns) in groups {
            let mut sum = vec![0.0; self.parameters];
            columns.iter().try_for_each(|column| self.add_column(*column, 1.0, &mut sum))?;
            merged.push(name.clone(), &sum)?;
        }
        Ok(merged)
    }

    /// theta - d_c: to first order, the adapter trained without the column's records.
    ///
    /// # Errors
    /// When theta has another length or there is no such column.
    pub fn without(&self, theta: &[f32], column: usize) -> Result<Vec<f32>, TableError> {
        self.check(theta)?;
        let mut theta = theta.to_vec();
        self.add_column(column, -1.0, &mut theta)?;
        Ok(theta)
    }

    /// The safetensors file.
    ///
    /// # Errors
    /// When the writer refuses it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TableError> {
        let [numbers, scales] = self.bytes();
        let [dtheta, scale] = self.tensors(&numbers, &scales)?;
        safetensors::serialize([("dtheta", dtheta), ("scale", scale)], Some(columns(&self.names)?)).map_err(corrupt)
    }

    /// Its numbers and scales as they are stored.
    pub(super) fn bytes(&self) -> [Vec<u8>; 2] {
        let numbers = self.numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        [numbers, self.scales.iter().flat_map(|x| x.to_le_bytes()).collect()]
    }

    /// The tensors of what [`Table::bytes`] gives.
    pub(super) fn tensors<'a>(&self, numbers: &'a [u8], scales: &'a [u8]) -> Result<[TensorView<'a>; 2], TableError> {
        let dtheta = TensorView::new(Dtype::F16, vec![self.columns(), self.parameters], numbers).map_err(corrupt)?;
        Ok([dtheta, TensorView::new(Dtype::F32, vec![self.columns()], scales).map_err(corrupt)?])
    }

    /// Reads a table of anybody's making.
    ///
    /// # Errors
    /// When the file is anything but what [`Table::to_bytes`] writes, or larger than [`MAX_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TableError> {
        let (file, names) = open(bytes)?;
        if file.len() != 2 {
            return Err(corrupt("more tensors than a table has"));
        }
        Self::of_tensors(names, file.tensor("dtheta").map_err(corrupt)?, file.tensor("scale").map_err(corrupt)?)
    }

    /// A table of what somebody's file has.
    pub(super) fn of_tensors(
        names: Vec<String>,
        dtheta: TensorView<'_>,
        scale: TensorView<'_>,
    ) -> Result<Self, TableError> {
        let &[columns, parameters] = dtheta.shape() else { return Err(corrupt("dtheta is not a matrix")) };
        if dtheta.dtype() != Dtype::F16 || scale.dtype() != Dtype::F32 {
            return Err(corrupt("numbers of another kind"));
        }
        if columns != names.len() || scale.shape() != [columns] {
            return Err(corrupt("as many rows, scales and names there must be"));
        }
        let numbers: Vec<f16> =
            dtheta.data().chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap_or_default())).collect();
        let scales = floats(&scale);
        let usable = |scale: &f32| scale.is_finite() && *scale > 0.0 && *scale < f32::MAX / 65_504.0;
        if !numbers.par_iter().all(|x| x.is_finite()) || !scales.iter().all(usable) {
            return Err(TableError::NotFinite);
        }
        Ok(Self { parameters, names, scales, numbers })
    }

    fn check(&self, vector: &[f32]) -> Result<(), TableError> {
        if vector.len() != self.parameters {
            return Err(TableError::Parameters { expected: self.parameters, found: vector.len() });
        }
        if vector.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(TableError::NotFinite) }
    }

    /// sum += factor d_c
    fn add_column(&self, column: usize, factor: f32, sum: &mut [f32]) -> Result<(), TableError> {
        let Some(scale) = self.scales.get(column) else {
            return Err(TableError::Column { column, columns: self.columns() });
        };
        let row = &self.numbers[column * self.parameters..(column + 1) * self.parameters];
        let mut piece = [0.0f32; PIECE];
        for (row, sum) in row.chunks(PIECE).zip(sum.chunks_mut(PIECE)) {
            row.convert_to_f32_slice(&mut piece[..row.len()]);
            sum.iter_mut().zip(&piece).for_each(|(sum, x)| *sum += factor * scale * x);
        }
        Ok(())
    }
}

/// The dot product, in pieces whose sums are added in f64.
fn dot(row: &[f16], gradient: &[f32]) -> f64 {
    let mut piece = [0.0f32; PIECE];
    let mut sum = 0.0;
    for (row, gradient) in row.chunks(PIECE).zip(gradient.chunks(PIECE)) {
        row.convert_to_f32_slice(&mut piece[..row.len()]);
        // Eight sums side by side, which the compiler keeps in one register.
        let mut sums = [0.0f32; 8];
        let (wide, rest) = piece[..row.len()].as_chunks::<8>();
        let (other, last) = gradient.as_chunks::<8>();
        for (a, b) in wide.iter().zip(other) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
        }
        sum += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        sum += rest.iter().zip(last).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    }
    sum
}

/// The metadata that names columns.
pub(super) fn columns(names: &[String]) -> Result<HashMap<String, String>, TableError> {
    Ok(HashMap::from([("columns".to_owned(), serde_json::to_string(names).map_err(corrupt)?)]))
}

/// Opens a file of anybody's making; it, and what its columns are called.
pub(super) fn open(bytes: &[u8]) -> Result<(SafeTensors<'_>, Vec<String>), TableError> {
    if bytes.len() > MAX_BYTES {
        return Err(corrupt(format!("{} bytes are more than {MAX_BYTES}", bytes.len())));
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(corrupt)?;
    let names = metadata.metadata().as_ref().and_then(|all| all.get("columns"));
    let names: Vec<String> =
        serde_json::from_str(names.ok_or_else(|| corrupt("its columns have no names"))?).map_err(corrupt)?;
    if names.iter().any(|name| name.len() > MAX_NAME) {
        return Err(corrupt("longer names than a table has"));
    }
    Ok((SafeTensors::deserialize(bytes).map_err(corrupt)?, names))
}

/// The numbers of a tensor of 32-bit floats.
pub(super) fn floats(tensor: &TensorView<'_>) -> Vec<f32> {
    tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

pub(super) fn corrupt(error: impl ToString) -> TableError {
    TableError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests;
