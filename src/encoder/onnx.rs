//! Encoders from ONNX files, run by the crate `rten`: any model from samples to a vector, frames, or
//! the frames of several layers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rten::{
    DataType, Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueType,
    ValueView,
};

use super::SAMPLE_RATE;
use super::config::{DEEPEST, WIDEST};
use super::pretrained::State;
use super::waveform::normalise;
use crate::error::{Error, Result};
use crate::foreign::guarded;

/// Samples of the two recordings on which a model is tried: their states show which axis is time.
const TRIED: [usize; 2] = [SAMPLE_RATE as usize, 2 * SAMPLE_RATE as usize];

/// A model that was loaded and tried.
pub struct OnnxModel {
    model: Model,
    /// Prefixes errors.
    file: String,
    input: NodeId,
    /// Axes of the input: of size 1, but for the last one.
    input_rank: usize,
    output: NodeId,
    layout: Layout,
    normalise: bool,
}

/// What the axes of an output are: layers, then frames where there are any, then values, and some of
/// size 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    rank: usize,
    layers: usize,
    has_frames: bool,
    width: usize,
}

/// What a thread needs.
pub struct OnnxBuffers {
    samples: Vec<f32>,
    pool: Arc<ThreadPool>,
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnnxModel({:?}, {:?})", self.file, self.layout)
    }
}

impl OnnxModel {
    /// Loads the model in the file `path` and tries it on two recordings. Of several outputs, `output`
    /// names the one that is used.
    ///
    /// # Errors
    /// `Data` where the file is damaged, has operators that are not supported, takes anything but
    /// one waveform, has no such output or several, or gives something that is neither a vector nor
    /// frames.
    pub(super) fn load(path: &Path, output: Option<&str>, normalise: bool) -> Result<OnnxModel> {
        let file = path.display().to_string();
        let refuse = |what: String| Error::data(format!("{file} {what}"));
        let pool = one_thread();
        let loaded = work(&pool, || {
            ModelOptions::with_all_ops()
                .prepack_weights(true)
                .load_file(path)
                .map_err(|error| error.to_string())
        });
        let model = loaded.map_err(|why| {
            let error = refuse(format!("cannot be loaded: {}", shorten(&why)));
            error.hint("export the model again, in operators of ONNX alone and with its weights in the file or beside it")
        })?;
        let (input, input_rank) = input(&model).map_err(refuse)?;
        let output = output_of(&model, output).map_err(|(what, hint)| refuse(what).hint(hint))?;
        let mut model = OnnxModel {
            model,
            input,
            input_rank,
            output,
            layout: Layout {
                rank: 0,
                layers: 0,
                has_frames: false,
                width: 0,
            },
            normalise,
            file,
        };
        let mut buffers = OnnxBuffers {
            samples: Vec::new(),
            pool,
        };
        let mut shapes = Vec::new();
        for count in TRIED {
            let (shape, values) = model.apply(&noise(count), &mut buffers)?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(model.refuse(format!("gives {value} for a recording of noise")));
            }
            shapes.push(shape);
        }
        model.layout = layout(&shapes[0], &shapes[1]).map_err(|what| {
            model.refuse(what).hint("an output is a vector [1, values], frames [1, frames, values], or layers and frames [layers, 1, frames, values]; docs/encoders.md says how a model is exported")
        })?;
        Ok(model)
    }

    pub(super) fn parameters(&self) -> u64 {
        self.model.total_params() as u64
    }

    pub(super) fn width(&self) -> usize {
        self.layout.width
    }

    pub(super) fn has_frames(&self) -> bool {
        self.layout.has_frames
    }

    pub(super) fn states(&self) -> Vec<State> {
        let last = self.layout.layers - 1;
        (0..last).map(State::Layer).chain([State::Output]).collect()
    }

    /// For one thread, on which all of the model's work is done.
    pub(super) fn buffers(&self) -> OnnxBuffers {
        OnnxBuffers {
            samples: Vec::new(),
            pool: one_thread(),
        }
    }

    /// As [`super::Encoder::run`]; a vector is handed over as one frame.
    pub(super) fn run(
        &self,
        samples: &[f32],
        buffers: &mut OnnxBuffers,
        mut look: impl FnMut(State, &[f32]),
    ) -> Result<()> {
        let (shape, values) = self.apply(samples, buffers)?;
        let Layout {
            rank,
            layers,
            width,
            has_frames,
        } = self.layout;
        let per_layer = values.len() / layers;
        let fits = shape.len() == rank
            && shape.last() == Some(&width)
            && values.len() == per_layer * layers
            && per_layer > 0
            && (has_frames || per_layer == width);
        if !fits {
            return Err(self.refuse(format!(
                "gives an output of {} for {} samples, unlike for others",
                in_words(&shape),
                samples.len()
            )));
        }
        for (state, frames) in self
            .states()
            .into_iter()
            .zip(values.chunks_exact(per_layer))
        {
            look(state, frames);
        }
        Ok(())
    }

    /// The shape and the values of the output.
    fn apply(&self, samples: &[f32], buffers: &mut OnnxBuffers) -> Result<(Vec<usize>, Vec<f32>)> {
        buffers.samples.clear();
        buffers.samples.extend_from_slice(samples);
        if self.normalise {
            normalise(&mut buffers.samples);
        }
        let mut shape = vec![1; self.input_rank];
        if let Some(last) = shape.last_mut() {
            *last = samples.len();
        }
        let view = ValueView::from_shape(shape, &buffers.samples)
            .map_err(|e| Error::internal("samples do not fill their tensor").because(e))?;
        let options = RunOptions::default().with_thread_pool(Some(buffers.pool.clone()));
        let given = work(&buffers.pool, || {
            let inputs = vec![(self.input, view.into())];
            self.model
                .run(inputs, &[self.output], Some(options))
                .map_err(|error| error.to_string())
        });
        let given = given.map_err(|why| {
            self.refuse(format!(
                "cannot be run on {} samples: {}",
                samples.len(),
                shorten(&why)
            ))
        })?;
        let value = given.into_iter().next();
        let value = value.ok_or_else(|| self.refuse("gives no output".to_owned()))?;
        floats(value).map_err(|what| self.refuse(what))
    }

    fn refuse(&self, what: String) -> Error {
        Error::data(format!("{} {what}", self.file))
    }
}

/// All of a model's work is done on the one thread that waits for it, so that recordings are what is
/// done side by side.
fn one_thread() -> Arc<ThreadPool> {
    Arc::new(ThreadPool::with_num_threads(1))
}

/// Does work of `rten`, whose panics become errors, on the thread of `pool`.
///
/// A worker of another pool that waited for it would take up its own pool's next recording in the
/// meantime, on buffers and locks that it holds: it waits for a plain thread instead, which does not.
fn work<T: Send>(
    pool: &ThreadPool,
    task: impl FnOnce() -> std::result::Result<T, String> + Send,
) -> std::result::Result<T, String> {
    let on_thread = || pool.run(|| guarded(task).flatten());
    let waited = thread::scope(|scope| scope.spawn(on_thread).join());
    waited.unwrap_or_else(|_| Err("the thread that ran it ended".to_owned()))
}

/// The same noise always.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 25) as f32 - 0.25
    };
    (0..count).map(|_| next()).collect()
}

/// The one input, which takes samples of any number, and how many axes it has.
fn input(model: &Model) -> std::result::Result<(NodeId, usize), String> {
    let [id] = *model.input_ids() else {
        return Err(format!(
            "has {} inputs ({}), but a waveform is all that there is",
            model.input_ids().len(),
            names(model, model.input_ids())
        ));
    };
    let info = model.node_info(id);
    let dtype = info.as_ref().and_then(|info| info.dtype());
    if dtype.is_some_and(|dtype| dtype != ValueType::Tensor(DataType::Float)) {
        return Err("takes no waveform of 32-bit floats".to_owned());
    }
    let Some(shape) = info.and_then(|info| info.shape()) else {
        return Ok((id, 2));
    };
    let sizes: Vec<String> = shape
        .iter()
        .map(|size| match size {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(name) => name.clone(),
        })
        .collect();
    let ones = shape.split_last().is_some_and(|(last, before)| {
        matches!(last, Dimension::Symbolic(_))
            && before
                .iter()
                .all(|size| matches!(size, Dimension::Symbolic(_) | Dimension::Fixed(1)))
    });
    if !ones || shape.len() > 3 {
        return Err(format!(
            "takes an input of [{}], but a waveform of any length is [1, samples]",
            shorten(&sizes.join(", "))
        ));
    }
    Ok((id, shape.len()))
}

/// The output that is used; the error, and what to do.
fn output_of(model: &Model, name: Option<&str>) -> std::result::Result<NodeId, (String, String)> {
    let ids = model.output_ids();
    let all = names(model, ids);
    let is_named = |id: &&NodeId| model.node_info(**id).and_then(|info| info.name()) == name;
    match (name, ids) {
        (None, [only]) => Ok(*only),
        (None, _) => Err((
            format!("has {} outputs: {all}", ids.len()),
            "name one of them with `output` in this [[encoder]]".to_owned(),
        )),
        (Some(name), _) => ids.iter().find(is_named).copied().ok_or_else(|| {
            (
                format!("has no output `{name}`"),
                format!("its outputs: {all}"),
            )
        }),
    }
}

fn names(model: &Model, ids: &[NodeId]) -> String {
    let names: Vec<&str> = ids
        .iter()
        .filter_map(|id| model.node_info(*id)?.name())
        .collect();
    shorten(&names.join(", "))
}

/// The shape and the values of a tensor of up to four axes.
fn floats(value: Value) -> std::result::Result<(Vec<usize>, Vec<f32>), String> {
    fn of<const N: usize>(value: &Value) -> Option<(Vec<usize>, Vec<f32>)> {
        let (shape, values) = value.clone().into_shape_vec::<f32, N>().ok()?;
        Some((shape.to_vec(), values))
    }
    if value.dtype() != ValueType::Tensor(DataType::Float) {
        return Err("gives an output that is no tensor of floats".to_owned());
    }
    of::<3>(&value)
        .or_else(|| of::<4>(&value))
        .or_else(|| of::<2>(&value))
        .or_else(|| of::<1>(&value))
        .ok_or_else(|| "gives an output of more than four axes, or of none".to_owned())
}

/// What the axes are, from the shapes for a shorter and a longer recording.
fn layout(shorter: &[usize], longer: &[usize]) -> std::result::Result<Layout, String> {
    let shapes = || format!("{} and {}", in_words(shorter), in_words(longer));
    let unclear = |why: &str| {
        let [a, b] = TRIED;
        Err(format!(
            "gives outputs of {} for {a} and {b} samples: {why}",
            shapes()
        ))
    };
    let (Some((&width, before)), Some((&other, after))) =
        (shorter.split_last(), longer.split_last())
    else {
        return unclear("there are no values");
    };
    if before.len() != after.len() {
        return unclear("the number of axes changes");
    }
    if width != other {
        return unclear("the last axis must be values, not time");
    }
    let changing: Vec<usize> = (0..before.len())
        .filter(|axis| before[*axis] != after[*axis])
        .collect();
    let has_frames = match changing[..] {
        [] => false,
        [axis] if axis + 1 == before.len() => true,
        _ => return unclear("only the last but one axis may be time"),
    };
    let layers = &before[..before.len() - usize::from(has_frames)];
    if layers.iter().filter(|size| **size > 1).count() > 1 {
        return unclear("it is not clear which axis is layers");
    }
    let layers: usize = layers.iter().product();
    if shorter.iter().chain(longer).any(|size| *size == 0) || width > WIDEST {
        return unclear("there are no values, or too many");
    }
    if layers > DEEPEST {
        return unclear("that many layers cannot be, and time does not change with the recording");
    }
    Ok(Layout {
        rank: shorter.len(),
        layers,
        has_frames,
        width,
    })
}

fn in_words(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// Texts from a file, which may be long.
fn shorten(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "onnx_tests.rs"]
mod tests;
