//! Weights of fitted models to and from the safetensors format.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result};
use crate::model::artifact::Weights;
use crate::model::burn_net::reverse_axes;
use crate::model::{Classical, Layer, Params, Running};
use crate::split::Matrix;

/// A tensor of one of the three types that models use.
pub struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    pub(super) fn f32(name: impl Into<String>, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Stored {
            name: name.into(),
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            bytes,
        }
    }

    pub(super) fn f64(name: &str, shape: &[usize], values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Stored {
            name: name.to_owned(),
            dtype: Dtype::F64,
            shape: shape.to_vec(),
            bytes,
        }
    }

    pub(super) fn i64(name: &str, values: &[usize]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|&v| (v as i64).to_le_bytes())
            .collect();
        Stored {
            name: name.to_owned(),
            dtype: Dtype::I64,
            shape: vec![values.len()],
            bytes,
        }
    }
}

/// `[rows, cols]` to `[cols, rows]`.
fn transpose(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    reverse_axes(values, [rows, 1, cols])
}

/// PyTorch's names of the tensors of a layer.
fn names(index: usize, layer: &Layer) -> [String; 4] {
    let mean_and_variance = if matches!(layer, Layer::BatchNorm { .. }) {
        ["running_mean", "running_var"]
    } else {
        ["", ""]
    };
    ["weight", "bias", mean_and_variance[0], mean_and_variance[1]]
        .map(|part| format!("layers.{index}.{part}"))
}

fn network(params: &Params, running: &Running, layers: &[Layer]) -> Option<Vec<Stored>> {
    let (mut tensors, mut means, mut variances) = (
        params.tensors.iter(),
        running.means.iter(),
        running.variances.iter(),
    );
    let mut out = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let [weight, bias, mean, variance] = names(index, layer);
        match *layer {
            Layer::Conv {
                inputs,
                outputs,
                kernel,
            } => {
                let values = tensors
                    .next()
                    .filter(|t| t.len() == kernel * inputs * outputs)?;
                out.push(Stored::f32(
                    weight,
                    &[outputs, inputs, kernel],
                    &reverse_axes(values, [kernel, inputs, outputs]),
                ));
                out.push(Stored::f32(
                    bias,
                    &[outputs],
                    tensors.next().filter(|t| t.len() == outputs)?,
                ));
            }
            Layer::Dense { inputs, outputs } => {
                let values = tensors.next().filter(|t| t.len() == inputs * outputs)?;
                out.push(Stored::f32(
                    weight,
                    &[outputs, inputs],
                    &transpose(values, inputs, outputs),
                ));
                out.push(Stored::f32(
                    bias,
                    &[outputs],
                    tensors.next().filter(|t| t.len() == outputs)?,
                ));
            }
            Layer::Attend { channels } => {
                out.push(Stored::f32(
                    weight,
                    &[1, channels],
                    tensors.next().filter(|t| t.len() == channels)?,
                ));
            }
            Layer::WeightedSum { length, .. } => {
                out.push(Stored::f32(
                    weight,
                    &[length],
                    tensors.next().filter(|t| t.len() == length)?,
                ));
            }
            Layer::BatchNorm { channels } => {
                for (name, values) in [
                    (weight, tensors.next()),
                    (bias, tensors.next()),
                    (mean, means.next()),
                    (variance, variances.next()),
                ] {
                    out.push(Stored::f32(
                        name,
                        &[channels],
                        values.filter(|v| v.len() == channels)?,
                    ));
                }
            }
            Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
        }
    }
    (tensors.next().is_none() && means.next().is_none() && variances.next().is_none())
        .then_some(out)
}

/// The bytes of `model.safetensors`.
pub(crate) fn encode(weights: &Weights, layers: &[Layer]) -> Result<Vec<u8>> {
    let stored = match weights {
        Weights::Cnn { params, running } => network(params, running, layers)
            .ok_or_else(|| Error::internal("parameters do not fit the layers of the network"))?,
        Weights::Classical(classical) => classical.model().tensors(),
    };
    let internal = |e: safetensors::SafeTensorError| {
        Error::internal("weights cannot be serialised").because(e)
    };
    let mut views = Vec::with_capacity(stored.len());
    for s in &stored {
        views.push((
            s.name.as_str(),
            TensorView::new(s.dtype, s.shape.clone(), &s.bytes).map_err(internal)?,
        ));
    }
    safetensors::serialize(views, None).map_err(internal)
}

/// The tensors of a file, taken out one by one.
pub struct Tensors<'a>(BTreeMap<String, TensorView<'a>>);

impl<'a> Tensors<'a> {
    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn take(&mut self, name: &str, dtype: Dtype) -> Result<TensorView<'a>, String> {
        let tensor = self
            .0
            .remove(name)
            .ok_or_else(|| format!("tensor {name} is missing"))?;
        if tensor.dtype() == dtype {
            Ok(tensor)
        } else {
            Err(format!(
                "tensor {name} has type {:?} instead of {dtype:?}",
                tensor.dtype()
            ))
        }
    }

    fn shaped(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], String> {
        let tensor = self.take(name, dtype)?;
        if tensor.shape() == shape {
            Ok(tensor.data())
        } else {
            Err(format!(
                "tensor {name} has shape {:?} instead of {shape:?}",
                tensor.shape()
            ))
        }
    }

    pub(super) fn f32(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let values = self
            .shaped(name, Dtype::F32, shape)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        finite(name, values.collect(), f32::is_finite)
    }

    pub(super) fn f64(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f64>, String> {
        let values = self
            .shaped(name, Dtype::F64, shape)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b));
        finite(name, values.collect(), f64::is_finite)
    }

    /// Whole numbers that are not negative.
    pub(super) fn counts(&mut self, name: &str) -> Result<Vec<usize>, String> {
        let tensor = self.take(name, Dtype::I64)?;
        let values = tensor
            .data()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| usize::try_from(i64::from_le_bytes(*b)));
        values
            .collect::<Result<_, _>>()
            .map_err(|_| format!("tensor {name} holds numbers below 0"))
    }

    /// One whole number.
    pub(super) fn count(&mut self, name: &str) -> Result<usize, String> {
        match self.counts(name)?.as_slice() {
            [one] => Ok(*one),
            other => Err(format!(
                "tensor {name} holds {} numbers instead of one",
                other.len()
            )),
        }
    }

    /// A matrix of `columns` columns and any number of rows.
    pub(super) fn matrix(&mut self, name: &str, columns: usize) -> Result<Matrix, String> {
        let tensor = self.take(name, Dtype::F32)?;
        let [rows, found] = tensor.shape() else {
            return Err(format!("tensor {name} is not a matrix"));
        };
        if *found != columns {
            return Err(format!(
                "tensor {name} has {found} columns instead of {columns}"
            ));
        }
        let values = tensor
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        Ok(Matrix::new(
            *rows,
            columns,
            finite(name, values, f32::is_finite)?,
        ))
    }

    /// Ascending class numbers below `n_classes`.
    pub(super) fn classes(&mut self, n_classes: usize) -> Result<Vec<usize>, String> {
        let tensor = self.take("classes", Dtype::I64)?;
        let classes: Vec<i64> = tensor
            .data()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b))
            .collect();
        let fits = classes.is_sorted_by(|a, b| a < b)
            && classes.first().is_some_and(|&c| c >= 0)
            && classes.last().is_some_and(|&c| c < n_classes as i64);
        if fits {
            Ok(classes.iter().map(|&c| c as usize).collect())
        } else {
            Err("tensor classes names classes that do not exist".to_owned())
        }
    }
}

/// Refuses weights that are no finite numbers: whatever a model computes with them is none either.
fn finite<T: Copy>(
    name: &str,
    values: Vec<T>,
    is_finite: impl Fn(T) -> bool,
) -> Result<Vec<T>, String> {
    if values.iter().all(|value| is_finite(*value)) {
        Ok(values)
    } else {
        Err(format!("tensor {name} holds numbers that are not finite"))
    }
}

/// Refuses variances and shares below 0.
pub(super) fn not_negative(name: &str, values: Vec<f32>) -> Result<Vec<f32>, String> {
    match values.iter().find(|value| **value < 0.0) {
        Some(value) => Err(format!(
            "tensor {name} holds {value}, and none of its numbers can be below 0"
        )),
        None => Ok(values),
    }
}

fn read_network(file: &mut Tensors, layers: &[Layer]) -> Result<Weights, String> {
    let mut params = Params {
        tensors: Vec::new(),
    };
    let mut running = Running {
        means: Vec::new(),
        variances: Vec::new(),
    };
    for (index, layer) in layers.iter().enumerate() {
        let [weight, bias, mean, variance] = names(index, layer);
        match *layer {
            Layer::Conv {
                inputs,
                outputs,
                kernel,
            } => {
                let values = file.f32(&weight, &[outputs, inputs, kernel])?;
                params
                    .tensors
                    .push(reverse_axes(&values, [outputs, inputs, kernel]));
                params.tensors.push(file.f32(&bias, &[outputs])?);
            }
            Layer::Dense { inputs, outputs } => {
                let values = file.f32(&weight, &[outputs, inputs])?;
                params.tensors.push(transpose(&values, outputs, inputs));
                params.tensors.push(file.f32(&bias, &[outputs])?);
            }
            Layer::Attend { channels } => params.tensors.push(file.f32(&weight, &[1, channels])?),
            Layer::WeightedSum { length, .. } => params.tensors.push(file.f32(&weight, &[length])?),
            Layer::BatchNorm { channels } => {
                params.tensors.push(file.f32(&weight, &[channels])?);
                params.tensors.push(file.f32(&bias, &[channels])?);
                running.means.push(file.f32(&mean, &[channels])?);
                let variances = file.f32(&variance, &[channels])?;
                running.variances.push(not_negative(&variance, variances)?);
            }
            Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
        }
    }
    Ok(Weights::Cnn { params, running })
}

/// The weights of a model of `kind`, or what is wrong with the bytes.
pub(crate) fn decode(
    kind: &str,
    bytes: &[u8],
    layers: &[Layer],
    [n_features, n_classes]: [usize; 2],
) -> Result<Weights, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("it is not a safetensors file: {e}"))?;
    let mut file = Tensors(file.tensors().into_iter().collect());
    let weights = match kind {
        "cnn" => read_network(&mut file, layers)?,
        _ => Weights::Classical(Classical::read(kind, &mut file, [n_features, n_classes])?),
    };
    match file.0.keys().next() {
        Some(name) => Err(format!("tensor {name} belongs to no part of the model")),
        None => Ok(weights),
    }
}
