//! Small random models of every architecture, in every format of weights, against transformers
//! (`tests/encoders/make.py`), and files that are wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize_to_file};

use super::pooling::Moments;
use super::pretrained::{HubModel as Encoder, Padding};
use super::waveform::WaveformBuffers;
use crate::error::{Kind, Result};

pub(super) fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/encoders")
        .join(name)
}

/// The recording that `make.py` makes.
pub(super) fn clip(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..count)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 8) / f64::from(1 << 24) - 0.5;
            (noise * (((n % 4000 + 200) as f64) / 4200.0)) as f32
        })
        .collect()
}

pub(super) fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            (
                name.to_owned(),
                values.map(|b| f32::from_le_bytes(*b)).collect(),
            )
        })
        .collect()
}

/// The largest difference, relative to the largest value.
pub(super) fn distance(values: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(values.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let pairs = values.iter().zip(expected);
    pairs.fold(0.0f32, |a, (x, y)| a.max((x - y).abs())) / largest
}

fn states(encoder: &Encoder, samples: &[f32], padding: Padding) -> Vec<Vec<f32>> {
    let (mut out, mut seen) = (vec![], vec![]);
    encoder
        .run(samples, padding, &mut encoder.buffers(), |state, frames| {
            seen.push(state);
            out.push(frames.to_vec());
        })
        .unwrap();
    assert_eq!(seen, encoder.states());
    out
}

fn check(name: &str, samples: &[f32], padding: Padding, word: &str) {
    let encoder = Encoder::load(&model(name)).unwrap();
    let expected = tensors(&model(name).join("states.safetensors"));
    for (index, state) in states(&encoder, samples, padding).iter().enumerate() {
        let far = distance(state, &expected[&format!("{word}_{index}")]);
        assert!(far < 1e-5, "{name}, state {index}: {far:e}");
    }
}

#[test]
fn states_of_waveform_models_are_those_of_transformers() {
    for family in ["wav2vec2", "hubert", "wavlm"] {
        for order in ["post", "pre"] {
            let name = format!("{family}-{order}");
            check(&name, &clip(8000), Padding::None, "hidden");
        }
    }
}

#[test]
fn states_of_whisper_are_those_of_transformers_with_and_without_padding() {
    check("whisper", &clip(8250), Padding::None, "short");
    check("whisper", &clip(8250), Padding::Full, "padded");
}

#[test]
fn buffers_keep_nothing_of_the_recording_before() {
    for name in ["wavlm-post", "wav2vec2-pre", "whisper"] {
        let encoder = Encoder::load(&model(name)).unwrap();
        let mut buffers = encoder.buffers();
        let mut run = |n: usize, padding| {
            let mut out = vec![];
            encoder
                .run(&clip(n), padding, &mut buffers, |_, x| {
                    out.extend_from_slice(x)
                })
                .unwrap();
            out
        };
        let first = run(5000, Padding::None);
        run(16_000, Padding::Full);
        assert!(first == run(5000, Padding::None), "{name}");
    }
}

#[test]
fn convolutions_of_a_long_recording_do_not_show_where_they_were_cut() {
    // This model normalises no samples and each frame on its own, so that frames depend on their
    // surroundings alone: 100 of them from 30 frames later lie in other blocks.
    let encoder = Encoder::load(&model("wavlm-pre")).unwrap();
    let Some(front) = encoder.waveform_front() else {
        panic!("a front of waveforms");
    };
    let (samples, width) = (clip(60_000), encoder.width());
    let of = |samples: &[f32]| {
        let mut frames = vec![];
        front.apply(samples, &mut frames, &mut WaveformBuffers::default());
        frames
    };
    let (whole, later) = (of(&samples), of(&samples[30 * 320..]));
    assert_eq!(whole.len() / width, (60_000 - 400) / 320 + 1);
    let reach = 3;
    assert!(whole[(30 + reach) * width..][..100 * width] == later[reach * width..][..100 * width]);
}

#[test]
fn recordings_too_short_or_too_long_are_refused() {
    let encoder = Encoder::load(&model("whisper")).unwrap();
    for (n, word) in [(399, "too short"), (16_001, "too long")] {
        let result = encoder.run(&clip(n), Padding::None, &mut encoder.buffers(), |_, _| {});
        assert!(result.unwrap_err().to_string().contains(word));
    }
    let encoder = Encoder::load(&model("hubert-pre")).unwrap();
    assert_eq!(
        (encoder.least_samples(), encoder.most_samples()),
        (400, None)
    );
    assert_eq!(states(&encoder, &clip(400), Padding::None)[0].len(), 16);
}

/// Shapes and values by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A copy of a model with changed tensors and configuration.
fn changed(
    name: &str,
    config: &[(&str, serde_json::Value)],
    change: impl FnOnce(&mut Tensors),
) -> Result<Encoder> {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(model(name).join("config.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, value) in config {
        json[*key] = value.clone();
    }
    fs::write(folder.path().join("config.json"), json.to_string()).unwrap();
    let bytes = fs::read(model(name).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file
        .iter()
        .map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            let values = values.map(|b| f32::from_le_bytes(*b)).collect();
            (name.to_owned(), (view.shape().to_vec(), values))
        })
        .collect();
    change(&mut tensors);
    let views: Vec<(String, Vec<u8>, Vec<usize>)> = tensors
        .into_iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|v: &f32| v.to_le_bytes()).collect();
            (name, bytes, shape)
        })
        .collect();
    let views = views.iter().map(|(name, bytes, shape)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    serialize_to_file(views, None, &folder.path().join("model.safetensors")).unwrap();
    Encoder::load(folder.path())
}

#[test]
fn weights_of_another_model_are_refused_by_the_name_of_the_tensor() {
    let refusal = |config: &[(&str, serde_json::Value)], change: fn(&mut Tensors)| {
        let error = changed("wavlm-pre", config, change).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        error.to_string()
    };
    let bias = "encoder.layers.1.attention.k_proj.bias";
    let message = refusal(&[], |t| {
        drop(t.remove("encoder.layers.1.attention.k_proj.bias"))
    });
    assert!(
        message.contains("lack") && message.contains(bias),
        "{message}"
    );
    let message = refusal(&[], |t| {
        t.insert("encoder.layers.2.surprise".into(), (vec![1], vec![0.0]));
    });
    assert!(message.contains("encoder.layers.2.surprise"), "{message}");
    let message = refusal(&[], |t| {
        t.get_mut("encoder.layers.1.attention.k_proj.bias")
            .unwrap()
            .1[3] = f32::NAN;
    });
    assert!(
        message.contains(bias) && message.contains("finite"),
        "{message}"
    );
    let message = refusal(&[("intermediate_size", 32.into())], |_| {});
    assert!(
        message.contains("shape") && message.contains("[32, 16]"),
        "{message}"
    );
}

#[test]
fn configurations_that_are_not_supported_name_the_key() {
    for (key, value) in [
        ("model_type", serde_json::json!("bert")),
        ("hidden_act", serde_json::json!("gelu_new")),
        ("num_hidden_layers", serde_json::json!(1_000_000_000)),
        ("hidden_size", serde_json::json!(1_000_000_000)),
        ("num_attention_heads", serde_json::json!(3)),
        ("num_attention_heads", serde_json::json!(0)),
        ("conv_stride", serde_json::json!([5, 2, 2, 0, 2, 2, 2])),
        ("conv_kernel", serde_json::json!([10])),
        ("add_adapter", serde_json::json!(true)),
        ("layer_norm_eps", serde_json::json!(-1.0)),
        ("num_buckets", serde_json::json!(1)),
    ] {
        let error = changed("wavlm-pre", &[(key, value)], |_| {}).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("config.json"), "{message}");
        assert!(message.contains(key), "{key}: {message}");
    }
}

#[test]
fn damaged_files_of_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| folder.path().join(name);
    let error = Encoder::load(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    fs::copy(model("wavlm-pre").join("config.json"), to("config.json")).unwrap();
    let error = Encoder::load(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert!(error.to_string().contains("pytorch_model.bin"));
    let whole = fs::read(model("wavlm-pre").join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    // Cut anywhere, with a header of any length, or offsets that overlap or reach beyond the end.
    let mut damaged = vec![
        vec![],
        whole[..7].to_vec(),
        whole[..8 + header - 1].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [&u64::MAX.to_le_bytes(), &whole[8..]].concat(),
        [&(1u64 << 40).to_le_bytes(), &whole[8..]].concat(),
    ];
    let text = String::from_utf8(whole[8..8 + header].to_vec()).unwrap();
    for (from, into) in [
        ("\"data_offsets\":[0,", "\"data_offsets\":[4,"),
        ("\"data_offsets\":[0,", "\"data_offsets\":[0,9999999999999"),
        ("\"shape\":[", "\"shape\":[18446744073709551615,2,"),
    ] {
        let text = text.replacen(from, into, 1);
        let length = (text.len() as u64).to_le_bytes();
        damaged.push([&length, text.as_bytes(), &whole[8 + header..]].concat());
    }
    for (at, bytes) in damaged.iter().enumerate() {
        fs::write(to("model.safetensors"), bytes).unwrap();
        let error = Encoder::load(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data, "{at}: {error}");
        assert!(error.to_string().contains("model.safetensors"), "{error}");
    }
    // An index that leads out of its folder, and one whose part is not there.
    fs::remove_file(to("model.safetensors")).unwrap();
    for (part, kind) in [
        ("../x.safetensors", Kind::Data),
        ("x.safetensors", Kind::Missing),
    ] {
        let index = serde_json::json!({ "weight_map": { "a": part } });
        fs::write(to("model.safetensors.index.json"), index.to_string()).unwrap();
        assert_eq!(Encoder::load(folder.path()).unwrap_err().kind(), kind);
    }
}

#[test]
fn a_pickle_that_calls_a_program_is_refused_and_calls_none() {
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| folder.path().join(name);
    fs::copy(model("wavlm-post").join("config.json"), to("config.json")).unwrap();
    let marker = to("marker");
    let command = format!("touch {}", marker.display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    let mut zip = zip::ZipWriter::new(fs::File::create(to("pytorch_model.bin")).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [
        ("archive/data.pkl", &pickle[..]),
        ("archive/version", b"3\n"),
    ] {
        zip.start_file(name, stored).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    zip.finish().unwrap();
    let error = Encoder::load(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert!(error.to_string().contains("posix.system"), "{error}");
    assert!(!marker.exists());
}

/// The models that `SER_ENCODERS` names: published Whisper encoders and larger random ones.
#[test]
fn published_encoders_give_their_reference_values() {
    let Some(root) = std::env::var_os("SER_ENCODERS").map(PathBuf::from) else {
        crate::skipped::skipped("encoders", "SER_ENCODERS names no encoders");
        return;
    };
    for name in ["whisper-tiny.en", "whisper-base"] {
        let encoder = Encoder::load(&root.join(name)).unwrap();
        let expected = tensors(&root.join(name).join("golden.safetensors"));
        for index in 0..2 {
            for (padding, word) in [(Padding::Full, "padded"), (Padding::None, "short")] {
                let samples = &expected[&format!("samples_{index}")];
                let states = states(&encoder, samples, padding);
                let mut row = vec![];
                for state in &states {
                    let mut moments = Moments::default();
                    moments.add(state, encoder.width());
                    moments.append_to(&mut row);
                }
                for (at, kind) in ["mean", "std"].into_iter().enumerate() {
                    let of_kind = row.chunks(encoder.width()).skip(at).step_by(2);
                    let values: Vec<f32> = of_kind.flatten().copied().collect();
                    let far = distance(&values, &expected[&format!("{word}_{kind}_{index}")]);
                    assert!(far < 1e-3, "{name} {word} {kind}: {far:e}");
                }
            }
        }
    }
    for family in ["wav2vec2", "hubert", "wavlm"] {
        for order in ["post", "pre"] {
            let (folder, name) = (tempfile::tempdir().unwrap(), format!("{family}-{order}"));
            for (from, to) in [
                ("json", "config.json"),
                ("safetensors", "model.safetensors"),
            ] {
                let from = root.join("random").join(format!("{name}.{from}"));
                fs::copy(from, folder.path().join(to)).unwrap();
            }
            let encoder = Encoder::load(folder.path()).unwrap();
            let expected = tensors(
                &root
                    .join("random")
                    .join(format!("{name}-golden.safetensors")),
            );
            let mut states = states(&encoder, &expected["wav"], Padding::None);
            if order == "pre" {
                // The reference has the last one after the normalisation alone.
                states.remove(3);
            }
            for (index, state) in states.iter().enumerate() {
                let far = distance(state, &expected[&format!("hidden_{index}")]);
                assert!(far < 1e-4, "{name}, state {index}: {far:e}");
            }
        }
    }
}
