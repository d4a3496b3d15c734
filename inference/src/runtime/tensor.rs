//! The numbers that go into a session and come out of it.

use half::f16;
use ort::value::DynValue;
use ort::value::PrimitiveTensorElementType;

use super::RuntimeError;

/// A dense tensor in the runtime's own form: an output can be an input of the next run without a copy.
#[derive(Debug)]
pub struct Tensor(DynValue);

/// Element types that a [`Tensor`] can be made of.
pub trait Element: PrimitiveTensorElementType + Copy + std::fmt::Debug + 'static {}
impl Element for f32 {}
impl Element for f16 {}
impl Element for i64 {}
impl Element for i32 {}
impl Element for i8 {}
impl Element for u8 {}
impl Element for bool {}

impl Tensor {
    /// A tensor of this shape over `data`, which is not copied; the outermost axis comes first.
    ///
    /// # Errors
    /// [`RuntimeError::Tensor`] if `data` does not fill the shape.
    pub fn new<T: Element>(shape: &[usize], data: Vec<T>) -> Result<Self, RuntimeError> {
        let expected = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if expected != Some(data.len()) {
            return Err(RuntimeError::Tensor(format!("of shape {shape:?} cannot hold {} numbers", data.len())));
        }
        let tensor = ort::value::Tensor::from_array((shape.to_vec(), data)).map_err(bad_tensor)?;
        Ok(Self(tensor.into_dyn()))
    }

    /// A tensor without axes.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn scalar<T: Element>(number: T) -> Result<Self, RuntimeError> {
        Self::new(&[], vec![number])
    }

    /// Sizes, outermost axis first.
    pub fn shape(&self) -> Vec<usize> {
        self.0.shape().iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect()
    }

    /// The numbers, row by row.
    ///
    /// # Errors
    /// [`RuntimeError::Tensor`] if the tensor holds another element type.
    pub fn data<T: Element>(&self) -> Result<&[T], RuntimeError> {
        self.0.try_extract_tensor::<T>().map(|(_, data)| data).map_err(bad_tensor)
    }

    /// The numbers, to be changed in place.
    ///
    /// # Errors
    /// As [`Tensor::data`].
    pub fn data_mut<T: Element>(&mut self) -> Result<&mut [T], RuntimeError> {
        self.0.try_extract_tensor_mut::<T>().map(|(_, data)| data).map_err(bad_tensor)
    }

    /// The numbers as 32-bit floats, row by row.
    ///
    /// # Errors
    /// As [`Tensor::data`].
    pub fn floats(&self) -> Result<&[f32], RuntimeError> {
        self.data()
    }

    pub(super) fn value(&self) -> &DynValue {
        &self.0
    }

    pub(super) fn of(value: DynValue) -> Self {
        Self(value)
    }
}

fn bad_tensor<R>(error: ort::Error<R>) -> RuntimeError {
    RuntimeError::Tensor(error.message().to_owned())
}
