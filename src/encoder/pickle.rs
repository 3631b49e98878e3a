//! The tensors of a `pytorch_model.bin`: a zip archive with a pickle that describes them and a file
//! of values for each.
//!
//! A pickle is a program for a stack machine. This one builds dictionaries, tuples, numbers and
//! descriptions of tensors, and calls nothing: whatever else a pickle asks for is refused by name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::weights::{Number, Place};
use crate::error::{Error, Result};

/// Descriptions of tensors are small: a larger one is not read.
const LARGEST: u64 = 64 << 20;
/// Entries of the archive, values on the stack, and values kept by number.
const MOST: usize = 1 << 20;

/// The tensors of the file at `path`, the `file`th of a model.
///
/// # Errors
/// `Data` where it is no such archive, or its pickle asks for anything but tensors.
pub fn list(path: &Path, file: usize) -> Result<Vec<(String, Place)>> {
    let fault = |what: String| {
        Error::data(format!("{}: {what}", path.display())).hint(
            "save the model as safetensors: model.save_pretrained(folder, safe_serialization=True)",
        )
    };
    let reader = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut archive = ZipArchive::new(reader).map_err(|e| {
        fault(format!(
            "no archive of tensors as PyTorch 1.6 and later write it: {e}"
        ))
    })?;
    if archive.len() > MOST {
        return Err(fault(format!("{} entries are too many", archive.len())));
    }
    let mut storages = BTreeMap::new();
    let mut program = None;
    for index in 0..archive.len() {
        let mut entry = archive
            .by_index(index)
            .map_err(|e| fault(format!("entry {index} cannot be read: {e}")))?;
        let name = entry
            .name()
            .map_err(|e| fault(format!("entry {index} has no valid name: {e}")))?
            .into_owned();
        if name.ends_with("/data.pkl") {
            if entry.size() > LARGEST {
                return Err(fault(format!("{name} has {} bytes", entry.size())));
            }
            let mut bytes = Vec::new();
            (&mut entry)
                .take(LARGEST)
                .read_to_end(&mut bytes)
                .map_err(|e| fault(format!("{name} cannot be read: {e}")))?;
            program = Some(bytes);
        } else if let Some((_, key)) = name.rsplit_once("/data/") {
            let stored = entry.compression() == CompressionMethod::Stored;
            let Some(begin) = entry.data_start().filter(|_| stored) else {
                return Err(fault(format!("{name} is compressed")));
            };
            storages.insert(key.to_owned(), (begin, entry.size()));
        } else if name.ends_with("/byteorder") {
            let mut order = String::new();
            let _ = (&mut entry).take(16).read_to_string(&mut order);
            if order.trim() != "little" {
                return Err(fault(format!("its values are {order}-endian")));
            }
        }
    }
    let program = program.ok_or_else(|| fault("it has no data.pkl".into()))?;
    let tensors = Machine::run(&program).map_err(fault)?;
    let mut found = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let Some((begin, size)) = storages.get(&tensor.storage) else {
            return Err(fault(format!(
                "the tensor {name} lies in data/{}, which is not there",
                tensor.storage
            )));
        };
        let place = tensor
            .place(file, *begin, *size)
            .map_err(|why| fault(format!("the tensor {name} {why}")))?;
        found.push((name, place));
    }
    Ok(found)
}

/// What a pickle says of a tensor.
#[derive(Debug, Clone, PartialEq)]
struct Tensor {
    storage: String,
    number: Number,
    /// Number of its first value in the storage.
    first: u64,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Tensor {
    /// Where it lies, if its values follow each other and stay within the storage.
    fn place(self, file: usize, begin: u64, size: u64) -> Result<Place, String> {
        let mut count = 1usize;
        for (length, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *length > 1 && *stride != count {
                return Err("is a view whose values do not follow each other".into());
            }
            count = count
                .checked_mul(*length)
                .ok_or("is larger than any memory")?;
        }
        let bytes = self.number.bytes() as u64;
        let end = self
            .first
            .checked_add(count as u64)
            .and_then(|end| end.checked_mul(bytes));
        if end.is_none_or(|end| end > size) {
            return Err("reaches beyond its values".into());
        }
        Ok(Place {
            file,
            offset: begin + self.first * bytes,
            number: self.number,
            shape: self.shape,
        })
    }
}

/// A value on the stack.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    None,
    Bool,
    Integer(i64),
    Float,
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// Entries whose key is a text and whose value is a tensor or a dictionary of such; others are
    /// settings, which are not kept.
    Dictionary(Vec<(String, Value)>),
    Global(Global),
    Storage {
        key: String,
        number: Number,
    },
    Tensor(Tensor),
    /// The beginning of a group of values.
    Mark,
}

/// The functions and classes that a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Global {
    OrderedDictionary,
    Storage(Number),
    RebuildTensor,
    RebuildParameter,
}

impl Global {
    fn named(module: &str, name: &str) -> Result<Global, String> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Global::OrderedDictionary),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
            ("torch", name) if name.ends_with("Storage") => Ok(Global::Storage(match name {
                "DoubleStorage" => Number::F64,
                "FloatStorage" => Number::F32,
                "HalfStorage" => Number::F16,
                "BFloat16Storage" => Number::BF16,
                _ => Number::Other,
            })),
            _ => Err(format!(
                "its pickle asks for {module}.{name}, which is no part of a tensor; nothing of it was executed"
            )),
        }
    }
}

/// The stack machine, without any call.
struct Machine<'p> {
    program: &'p [u8],
    at: usize,
    stack: Vec<Value>,
    kept: BTreeMap<u32, Value>,
    /// Values that were copied from what is kept, which bounds a pickle that doubles itself.
    copied: usize,
}

impl<'p> Machine<'p> {
    /// The tensors of the dictionary that the program builds.
    fn run(program: &'p [u8]) -> Result<Vec<(String, Tensor)>, String> {
        let mut machine = Machine {
            program,
            at: 0,
            stack: Vec::new(),
            kept: BTreeMap::new(),
            copied: 0,
        };
        let entries = match machine.execute()? {
            Value::Dictionary(entries) => entries,
            _ => return Err("its pickle holds no dictionary of tensors".into()),
        };
        // Checkpoints of a training hold the model beside its optimizer.
        let inner = entries
            .iter()
            .position(|(key, value)| key == "state_dict" && matches!(value, Value::Dictionary(_)));
        let entries = match inner.map(|at| entries[at].1.clone()) {
            Some(Value::Dictionary(inner)) => inner,
            _ => entries,
        };
        Ok(entries
            .into_iter()
            .filter_map(|(key, value)| match value {
                Value::Tensor(tensor) => Some((key, tensor)),
                _ => None,
            })
            .collect())
    }

    fn execute(&mut self) -> Result<Value, String> {
        loop {
            if self.stack.len() > MOST {
                return Err("its pickle nests too many values".into());
            }
            match self.byte()? {
                b'.' => return self.pop(),
                0x80 => drop(self.bytes(1)?),
                0x95 => drop(self.bytes(8)?),
                b'}' => self.stack.push(Value::Dictionary(vec![])),
                b']' => self.stack.push(Value::List(vec![])),
                b')' => self.stack.push(Value::Tuple(vec![])),
                b'(' => self.stack.push(Value::Mark),
                b'N' => self.stack.push(Value::None),
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Integer(i64::from(value)));
                }
                b'K' => {
                    let value = self.byte()?;
                    self.stack.push(Value::Integer(i64::from(value)));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Integer(i64::from(value)));
                }
                0x8a => {
                    let length = usize::from(self.byte()?);
                    let bytes = self.bytes(length)?;
                    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                    let mut wide = [if negative { 0xff } else { 0 }; 8];
                    let slot = wide.get_mut(..length);
                    slot.ok_or("its pickle holds a number beyond 64 bits")?
                        .copy_from_slice(bytes);
                    self.stack.push(Value::Integer(i64::from_le_bytes(wide)));
                }
                b'G' => {
                    self.bytes(8)?;
                    self.stack.push(Value::Float);
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c => {
                    let length = usize::from(self.byte()?);
                    self.text(length)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.stack
                        .push(Value::Global(Global::named(&module, &name)?));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(module), Value::Text(name)) = (module, name) else {
                        return Err("its pickle names something without a text".into());
                    };
                    self.stack
                        .push(Value::Global(Global::named(&module, &name)?));
                }
                b't' => {
                    let values = self.since_mark()?;
                    self.stack.push(Value::Tuple(values));
                }
                count @ 0x85..=0x87 => {
                    let count = usize::from(count - 0x84);
                    let at = self.stack.len().checked_sub(count);
                    let values = self.stack.split_off(at.ok_or("its pickle ends early")?);
                    self.stack.push(Value::Tuple(values));
                }
                b'q' => {
                    let key = u32::from(self.byte()?);
                    self.keep(key)?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.keep(key)?;
                }
                0x94 => self.keep(self.kept.len() as u32)?,
                b'h' => {
                    let key = u32::from(self.byte()?);
                    self.recall(key)?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                b'a' => {
                    let value = self.pop()?;
                    self.append(vec![value])?;
                }
                b'e' => {
                    let values = self.since_mark()?;
                    self.append(values)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let pairs = self.since_mark()?;
                    self.set(pairs)?;
                }
                b'Q' => {
                    let value = self.pop()?;
                    self.stack.push(storage(value)?);
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.stack.push(build(function, arguments)?);
                }
                // The state of an ordered dictionary, which holds versions and no tensor.
                b'b' => drop(self.pop()?),
                b'0' => drop(self.pop()?),
                other => {
                    return Err(format!(
                        "its pickle uses the instruction 0x{other:02x}, which no description of tensors needs"
                    ));
                }
            }
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.bytes(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| "its pickle ends early".into())
    }

    fn bytes(&mut self, count: usize) -> Result<&'p [u8], String> {
        let end = self.at.checked_add(count);
        let bytes = end.and_then(|end| self.program.get(self.at..end));
        let bytes = bytes.ok_or("its pickle ends early")?;
        self.at += count;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.program[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = self.bytes(end.ok_or("its pickle ends early")? + 1)?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.bytes(length)?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack
            .pop()
            .filter(|value| *value != Value::Mark)
            .ok_or_else(|| "its pickle takes from an empty stack".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark);
        let values = self
            .stack
            .split_off(mark.ok_or("its pickle takes from an empty stack")? + 1);
        self.stack.pop();
        Ok(values)
    }

    fn keep(&mut self, key: u32) -> Result<(), String> {
        // What grows after it is kept, dictionaries and lists, is never needed again.
        let kept = match self.stack.last() {
            Some(Value::Dictionary(_)) => Value::Dictionary(vec![]),
            Some(Value::List(_)) => Value::List(vec![]),
            Some(value) => {
                self.copied += size(value);
                if self.copied > MOST {
                    return Err("its pickle copies too many values".into());
                }
                value.clone()
            }
            None => return Err("its pickle keeps nothing".into()),
        };
        self.kept.insert(key, kept);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let value = self.kept.get(&key);
        let value = value.ok_or("its pickle recalls what it did not keep")?;
        self.copied += size(value);
        if self.copied > MOST {
            return Err("its pickle copies too many values".into());
        }
        self.stack.push(value.clone());
        Ok(())
    }

    fn append(&mut self, more: Vec<Value>) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Value::List(values)) => values.extend(more),
            _ => return Err("its pickle appends to something else than a list".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dictionary(entries)) = self.stack.last_mut() else {
            return Err("its pickle sets an entry of something else than a dictionary".into());
        };
        let mut pairs = pairs.into_iter();
        while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
            if let (Value::Text(key), Value::Tensor(_) | Value::Dictionary(_)) = (key, &value) {
                entries.push((key, value));
            }
        }
        Ok(())
    }
}

/// Number of values within a value.
fn size(value: &Value) -> usize {
    match value {
        Value::Tuple(values) | Value::List(values) => 1 + values.iter().map(size).sum::<usize>(),
        Value::Tensor(tensor) => 1 + tensor.shape.len(),
        _ => 1,
    }
}

/// What stands for a storage: `("storage", its type, its key, its device, its length)`.
fn storage(value: Value) -> Result<Value, String> {
    if let Value::Tuple(parts) = value
        && let [
            Value::Text(word),
            Value::Global(Global::Storage(number)),
            Value::Text(key),
            ..,
        ] = parts.as_slice()
        && word == "storage"
    {
        let (key, number) = (key.clone(), *number);
        return Ok(Value::Storage { key, number });
    }
    Err("its pickle refers to something else than the values of a tensor".into())
}

/// What a call of one of the known functions gives.
fn build(function: Value, arguments: Value) -> Result<Value, String> {
    let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
        return Err("its pickle calls something that is no function".into());
    };
    match (function, arguments.as_slice()) {
        (Global::OrderedDictionary, []) => Ok(Value::Dictionary(vec![])),
        (
            Global::RebuildTensor,
            [
                Value::Storage { key, number },
                Value::Integer(first),
                Value::Tuple(shape),
                Value::Tuple(strides),
                ..,
            ],
        ) if shape.len() == strides.len() => Ok(Value::Tensor(Tensor {
            storage: key.clone(),
            number: *number,
            first: u64::try_from(*first).map_err(|_| "a tensor begins before its values")?,
            shape: lengths(shape)?,
            strides: lengths(strides)?,
        })),
        (Global::RebuildParameter, [Value::Tensor(tensor), ..]) => {
            Ok(Value::Tensor(tensor.clone()))
        }
        _ => Err("its pickle describes a tensor in an unknown way".into()),
    }
}

fn lengths(values: &[Value]) -> Result<Vec<usize>, String> {
    let length = |value: &Value| match value {
        Value::Integer(length) => usize::try_from(*length).ok(),
        _ => None,
    };
    values
        .iter()
        .map(length)
        .collect::<Option<_>>()
        .ok_or_else(|| "a tensor has a length that is no number".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python writes `{"w": torch.zeros(2, 3)}` with protocol 2.
    fn description(global: &str) -> Vec<u8> {
        let mut out = b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01c".to_vec();
        out.extend(global.as_bytes());
        out.extend(b"q\x02((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04");
        out.extend(b"X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x06tq\x07QK\x00");
        out.extend(
            b"K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0b",
        );
        out.extend(b"tq\x0cRq\x0ds.");
        out
    }

    #[test]
    fn a_tensor_is_described() {
        let tensors = Machine::run(&description("torch._utils\n_rebuild_tensor_v2\n")).unwrap();
        let expected = Tensor {
            storage: "0".into(),
            number: Number::F32,
            first: 0,
            shape: vec![2, 3],
            strides: vec![3, 1],
        };
        assert_eq!(tensors, [("w".to_owned(), expected.clone())]);
        assert_eq!(expected.clone().place(0, 64, 24).unwrap().offset, 64);
        assert!(
            expected
                .clone()
                .place(0, 64, 23)
                .unwrap_err()
                .contains("beyond")
        );
        let turned = Tensor {
            strides: vec![1, 2],
            ..expected.clone()
        };
        assert!(turned.place(0, 0, 24).unwrap_err().contains("view"));
        let huge = Tensor {
            shape: vec![usize::MAX, 2],
            strides: vec![2, 1],
            ..expected
        };
        assert!(huge.place(0, 0, 24).is_err());
    }

    #[test]
    fn nothing_is_called() {
        let error = Machine::run(&description("os\nsystem\n")).unwrap_err();
        assert!(error.contains("os.system") && error.contains("nothing of it was executed"));
        let error = Machine::run(b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.").unwrap_err();
        assert!(error.contains("builtins.eval"));
        // Protocol 4 names functions by two texts.
        let error = Machine::run(b"\x80\x04\x8c\x02nt\x8c\x06system\x93.").unwrap_err();
        assert!(error.contains("nt.system"));
    }

    #[test]
    fn damaged_programs_are_refused() {
        let whole = description("torch._utils\n_rebuild_tensor_v2\n");
        for end in 0..whole.len() {
            assert!(Machine::run(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let _ = Machine::run(&changed);
            }
        }
        // A tuple of tuples of tuples, each twice the one before.
        let mut doubling = b"\x80\x02)q\x00".to_vec();
        for key in 0..60u8 {
            doubling.extend([b'h', key, b'h', key, 0x86, b'q', key + 1, b'0']);
        }
        doubling.extend(b"h\x3c.");
        assert!(Machine::run(&doubling).unwrap_err().contains("copies"));
    }
}
