//! The tensors of a model, by name: read one at a time, checked, and each accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::Metadata;
use serde::Deserialize;

use super::pickle;
use crate::error::{Error, Kind, Result};

const SAFETENSORS: &str = "model.safetensors";
const PICKLE: &str = "pytorch_model.bin";
/// Headers of safetensors files are at most this large, as their own reader demands.
const LARGEST_HEADER: u64 = 100_000_000;

/// Type of the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    F64,
    F32,
    F16,
    BF16,
    /// Anything else: it can be listed and not read.
    Other,
}

impl Number {
    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Number::F64 => 8,
            Number::F32 => 4,
            Number::F16 | Number::BF16 => 2,
            Number::Other => 1,
        }
    }
}

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Index of its file.
    pub file: usize,
    /// Byte of its first value; the others follow, the last index fastest.
    pub offset: u64,
    pub number: Number,
    pub shape: Vec<usize>,
}

/// The tensors that a model's folder holds.
#[derive(Debug)]
pub struct Weights {
    files: Vec<PathBuf>,
    /// By name without the prefix of the model.
    tensors: BTreeMap<String, Place>,
    taken: BTreeSet<String>,
}

impl Weights {
    /// Finds the tensors of the model in `folder`: in `model.safetensors`, whole or in parts with an
    /// index, or else in `pytorch_model.bin`.
    ///
    /// Of the prefixes, which some files have and others lack, the first that a name begins with is
    /// taken off.
    ///
    /// # Errors
    /// `Missing` without weights, `Data` where they are damaged or of another form.
    pub fn open(folder: &Path, prefixes: &[&str]) -> Result<Weights> {
        let files = files(folder)?;
        let mut tensors = BTreeMap::new();
        for (at, path) in files.iter().enumerate() {
            let found = if path.extension().is_some_and(|e| e == "safetensors") {
                list(path, at)?
            } else {
                pickle::list(path, at)?
            };
            for (name, place) in found {
                let name = prefixes
                    .iter()
                    .find_map(|prefix| name.strip_prefix(prefix))
                    .unwrap_or(&name)
                    .to_owned();
                if let Some(before) = tensors.insert(name.clone(), place) {
                    let first = files[before.file].display();
                    return Err(Error::data(format!(
                        "the tensor {name} is there twice, in {first} and {}",
                        path.display()
                    )));
                }
            }
        }
        Ok(Weights {
            files,
            tensors,
            taken: BTreeSet::new(),
        })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The values of a tensor, the last index fastest.
    ///
    /// # Errors
    /// `Data` where it is not there, has another shape or type, or holds values that are no numbers.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(place) = self.tensors.get(name) else {
            let error = Error::data(format!("the weights lack the tensor {name}"));
            return Err(error.hint(
                "weights and config.json belong to one model: download both from the same place",
            ));
        };
        let path = &self.files[place.file];
        if place.shape != shape {
            return Err(Error::data(format!(
                "{}: the tensor {name} has the shape {:?}; config.json says {shape:?}",
                path.display(),
                place.shape
            )));
        }
        let values = read(path, place)
            .map_err(|e| Error::io(&format!("read the tensor {name} of"), path, e))?;
        let Some(values) = values else {
            let error = Error::data(format!(
                "{}: the tensor {name} is not of 64, 32 or 16 bit floating-point numbers",
                path.display()
            ));
            return Err(error.hint("save the model in float32, float16 or bfloat16"));
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::data(format!(
                "{}: the tensor {name} holds values that are not finite",
                path.display()
            )));
        }
        self.taken.insert(name.to_owned());
        Ok(values)
    }

    /// How many values the tensors have that were taken.
    pub fn values_taken(&self) -> u64 {
        let taken = self.taken.iter().filter_map(|name| self.tensors.get(name));
        taken
            .map(|place| place.shape.iter().product::<usize>() as u64)
            .sum()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Data` where a tensor was not taken and begins with none of the names that are `left_out`: the
    /// model is another one than its configuration says.
    pub fn finish(self, left_out: &[&str]) -> Result<()> {
        let unknown = self.tensors.iter().find(|(name, _)| {
            !self.taken.contains(*name) && !left_out.iter().any(|one| name.starts_with(one))
        });
        match unknown {
            None => Ok(()),
            Some((name, place)) => Err(Error::data(format!(
                "{}: the tensor {name} belongs to no part of this architecture",
                self.files[place.file].display()
            ))
            .hint(
                "weights and config.json belong to one model: download both from the same place",
            )),
        }
    }
}

/// The files that hold the weights of the model in `folder`.
///
/// # Errors
/// `Missing` where there are none, `Data` where their index is damaged.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    for name in [SAFETENSORS, PICKLE] {
        let (whole, index) = (folder.join(name), folder.join(format!("{name}.index.json")));
        if whole.is_file() {
            return Ok(vec![whole]);
        }
        if index.is_file() {
            return parts(folder, &index);
        }
    }
    let error = Error::missing(format!(
        "{} holds neither {SAFETENSORS} nor {PICKLE}",
        folder.display()
    ));
    Err(error.hint("download the weights of the model into this folder, beside its config.json"))
}

/// The files that an index of parts names, which have to lie beside it.
fn parts(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read(index).map_err(|e| Error::io("read", index, e))?;
    let parsed: Index = serde_json::from_slice(&text)
        .map_err(|e| Error::data(format!("{} is no index of weights: {e}", index.display())))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(&name);
            let beside =
                Path::new(&name).components().count() == 1 && path.parent() == Some(folder);
            if !beside {
                return Err(Error::data(format!(
                    "{} names {name:?}, which is no file beside it",
                    index.display()
                )));
            }
            if path.is_file() {
                Ok(path)
            } else {
                Err(Error::new(
                    Kind::Missing,
                    format!("{} names {name}, which is not there", index.display()),
                ))
            }
        })
        .collect()
}

/// The tensors of a safetensors file, from its header alone.
fn list(path: &Path, file: usize) -> Result<Vec<(String, Place)>> {
    let fault = |what: String| Error::data(format!("{}: {what}", path.display()));
    let mut reader = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let size = reader
        .metadata()
        .map_err(|e| Error::io("read", path, e))?
        .len();
    let mut length = [0; 8];
    reader
        .read_exact(&mut length)
        .map_err(|_| fault("too short for a safetensors file".into()))?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER || length > size.saturating_sub(8) {
        return Err(fault(format!(
            "a header of {length} bytes does not fit into a safetensors file of {size}"
        )));
    }
    let mut header = vec![0; length as usize];
    reader
        .read_exact(&mut header)
        .map_err(|e| Error::io("read", path, e))?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|e| fault(format!("no valid header of a safetensors file: {e}")))?;
    let begin = 8 + length;
    if begin + metadata.data_len() as u64 != size {
        return Err(fault(format!(
            "the header describes {} bytes of tensors, the file holds {}",
            metadata.data_len(),
            size - begin
        )));
    }
    let tensors = metadata.tensors();
    Ok(tensors
        .into_iter()
        .map(|(name, info)| {
            use safetensors::Dtype;
            let number = match info.dtype {
                Dtype::F64 => Number::F64,
                Dtype::F32 => Number::F32,
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::BF16,
                _ => Number::Other,
            };
            let place = Place {
                file,
                offset: begin + info.data_offsets.0 as u64,
                number,
                shape: info.shape.clone(),
            };
            (name, place)
        })
        .collect())
}

/// The values at a place; `None` for types that are no floating-point numbers.
fn read(path: &Path, place: &Place) -> std::io::Result<Option<Vec<f32>>> {
    let count: usize = place.shape.iter().product();
    if place.number == Number::Other {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut bytes = vec![0; count * place.number.bytes()];
    file.read_exact(&mut bytes)?;
    let values = match place.number {
        Number::F64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Number::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Number::F16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| bf16::from_le_bytes(*b).to_f32())
            .collect(),
    };
    Ok(Some(values))
}
