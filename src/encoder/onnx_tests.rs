//! A small model exported from PyTorch (`tests/encoders/make_onnx.py`) in all shapes of outputs, and
//! files that are wrong.

use std::fs;
use std::path::PathBuf;

use super::super::tests::{clip, distance, model, tensors};
use super::super::{Encoder, EncoderName, Padding, Source, Usage};
use super::*;
use crate::error::Kind;

fn hubert() -> PathBuf {
    model("onnx").join("hubert.onnx")
}

fn usage(output: Option<&str>) -> Usage {
    Usage {
        normalize: Some(true),
        output: output.map(|name| EncoderName::new(name).unwrap()),
        ..Usage::default()
    }
}

fn states(path: &Path, output: Option<&str>, samples: &[f32]) -> Vec<Vec<f32>> {
    let encoder = Encoder::load(path, &usage(output)).unwrap();
    let mut out = vec![];
    encoder
        .run(samples, Padding::None, &mut encoder.buffers(), |_, x| {
            out.push(x.to_vec());
        })
        .unwrap();
    assert_eq!(out.len(), encoder.states().len());
    out
}

/// Means of columns, then their deviations.
fn pooled(frames: &[f32], width: usize) -> Vec<f32> {
    let count = frames.len() / width;
    let column = |c: usize| frames.iter().skip(c).step_by(width).map(|v| f64::from(*v));
    let means: Vec<f64> = (0..width)
        .map(|c| column(c).sum::<f64>() / count as f64)
        .collect();
    let squares = (0..width).map(|c| column(c).map(|v| (v - means[c]).powi(2)).sum::<f64>());
    let deviations = squares.map(|sum| (sum / count as f64).sqrt());
    let all = means.iter().copied().chain(deviations);
    all.map(|value| value as f32).collect()
}

#[test]
fn every_shape_of_output_is_that_of_transformers() {
    let expected = tensors(&model("hubert-pre").join("states.safetensors"));
    let expected: Vec<&Vec<f32>> = expected.values().collect();
    let (samples, last) = (clip(8000), expected[3]);
    let of = |output| states(&hubert(), Some(output), &samples);
    for (state, expected) in of("states").iter().zip(&expected) {
        assert!(distance(state, expected) < 1e-5);
    }
    assert!(distance(&of("frames")[0], last) < 1e-5);
    assert!(distance(&of("vector")[0], &pooled(last, 16)[..16]) < 1e-5);
    for (state, expected) in of("pooled").iter().zip(&expected) {
        assert!(distance(state, &pooled(expected, 16)) < 1e-5);
    }
    let shape = |output| {
        let encoder = Encoder::load(&hubert(), &usage(Some(output))).unwrap();
        (
            encoder.states().len(),
            encoder.width(),
            encoder.has_frames(),
        )
    };
    assert_eq!(shape("states"), (4, 16, true));
    assert_eq!(shape("frames"), (1, 16, true));
    assert_eq!(shape("vector"), (1, 16, false));
    assert_eq!(shape("pooled"), (4, 32, false));
}

#[test]
fn axes_are_told_apart_by_what_changes_with_the_recording() {
    let of = |a: &[usize], b: &[usize]| layout(a, b).map(|l| (l.layers, l.has_frames, l.width));
    assert_eq!(of(&[8], &[8]), Ok((1, false, 8)));
    assert_eq!(of(&[49, 8], &[99, 8]), Ok((1, true, 8)));
    assert_eq!(of(&[1, 13, 49, 8], &[1, 13, 99, 8]), Ok((13, true, 8)));
    assert_eq!(of(&[13, 1, 49, 8], &[13, 1, 99, 8]), Ok((13, true, 8)));
    assert_eq!(of(&[13, 1, 8], &[13, 1, 8]), Ok((13, false, 8)));
    for (a, b, word) in [
        (&[1, 8, 49][..], &[1, 8, 99][..], "last axis"),
        (&[49, 1, 8], &[99, 1, 8], "may be time"),
        (&[2, 13, 49, 8], &[2, 13, 99, 8], "which axis is layers"),
        (&[1, 1500, 8], &[1, 1500, 8], "layers"),
        (&[1, 8], &[8], "number of axes"),
        (&[1, 0, 8], &[1, 1, 8], "no values"),
    ] {
        let error = of(a, b).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn states_are_the_same_bits_in_every_thread() {
    let encoder = Encoder::load(&hubert(), &usage(Some("states"))).unwrap();
    let samples = clip(30_000);
    let run = |from: usize| {
        let (mut buffers, mut out) = (encoder.buffers(), vec![]);
        for from in [from, 0] {
            out.clear();
            let samples = &samples[from..];
            encoder
                .run(samples, Padding::None, &mut buffers, |_, x| {
                    out.extend(x.iter().map(|value| value.to_bits()));
                })
                .unwrap();
        }
        out
    };
    let first = run(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..4).map(|i| scope.spawn(move || run(i * 5000))).collect();
        for thread in threads {
            assert!(thread.join().unwrap() == first);
        }
    });
}

#[test]
fn the_output_is_named_where_there_are_several() {
    let refusal = |output| {
        let error = Encoder::load(&hubert(), &usage(output)).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        format!("{error} {}", error.hint_text().unwrap())
    };
    let all = "states, frames, vector, pooled, turned";
    let message = refusal(None);
    assert!(
        message.contains(all) && message.contains("`output`"),
        "{message}"
    );
    let message = refusal(Some("logits"));
    assert!(
        message.contains(all) && message.contains("`logits`"),
        "{message}"
    );
    let message = refusal(Some("turned"));
    assert!(
        message.contains("[1, 16, 49]") && message.contains("values, not time"),
        "{message}"
    );
}

/// A field of Protocol Buffers with these bytes.
fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let (bytes, mut out) = (bytes.as_ref(), vec![number << 3 | 2]);
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend(bytes);
    out
}

/// A field with a small number.
fn number(field: u8, number: u8) -> Vec<u8> {
    assert!(number < 0x80);
    vec![field << 3, number]
}

/// An input or output of floats with these axes.
fn value(name: &str, axes: &[&str]) -> Vec<u8> {
    let axis = |size: &&str| {
        let size = match size.parse() {
            Ok(size) => number(1, size),
            Err(_) => field(2, size),
        };
        field(1, size)
    };
    let shape: Vec<u8> = axes.iter().flat_map(axis).collect();
    let tensor = [number(1, 1), field(2, shape)].concat();
    [field(1, name), field(2, field(1, tensor))].concat()
}

fn node(operator: &str, inputs: &[&str], more: &[u8]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| field(1, name));
    let mut out: Vec<u8> = inputs.collect();
    out.extend(field(2, "y"));
    out.extend(field(4, operator));
    out.extend(more);
    field(1, out)
}

/// A tensor `w` of one float.
fn weight(values: f32) -> Vec<u8> {
    let raw = field(9, values.to_le_bytes());
    field(5, [number(1, 1), number(2, 1), field(8, "w"), raw].concat())
}

/// A tensor `w` whose value is in another file.
fn elsewhere(file: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, [field(1, key), field(2, value)].concat());
    let place = [
        entry("location", file),
        entry("offset", "0"),
        entry("length", "4"),
    ]
    .concat();
    let parts = [
        number(1, 1),
        number(2, 1),
        field(8, "w"),
        place,
        number(14, 1),
    ];
    field(5, parts.concat())
}

fn file(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut graph = field(2, "g");
    graph.extend(parts.concat());
    let opset = field(8, [field(1, ""), number(2, 18)].concat());
    [number(1, 8), opset, field(7, graph)].concat()
}

fn input(axes: &[&str]) -> Vec<u8> {
    field(11, value("x", axes))
}

fn output() -> Vec<u8> {
    field(12, field(1, "y"))
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let waveform = || input(&["1", "samples"]);
    let plain = |operator: &str, inputs: &[&str]| {
        file(&[node(operator, inputs, &[]), waveform(), output()])
    };
    let with =
        |weight: Vec<u8>| file(&[node("Mul", &["x", "w"], &[]), weight, waveform(), output()]);
    let axes = |axes: &[&str]| file(&[node("Neg", &["x"], &[]), input(axes), output()]);
    let two = field(11, value("mask", &["1", "samples"]));
    let mut nested = vec![];
    for _ in 0..20_000 {
        nested = field(1, field(5, field(6, nested)));
    }
    for (bytes, kind, word) in [
        (vec![], Kind::Data, "cut short"),
        (file(&[]), Kind::Data, "0 inputs"),
        (b"not a model".to_vec(), Kind::Data, "no ONNX file"),
        (plain("Frobnicate", &["x"]), Kind::Data, "Frobnicate"),
        (plain("Neg", &["nothing"]), Kind::Data, "nothing"),
        (plain("Neg", &["x"]), Kind::Data, "values, not time"),
        (plain("Shape", &["x"]), Kind::Data, "no tensor of floats"),
        (with(weight(f32::NAN)), Kind::Data, "NaN"),
        (with(weight(1.0)), Kind::Data, "values, not time"),
        (with(elsewhere("w.data")), Kind::Missing, "w.data"),
        (with(elsewhere("../w.data")), Kind::Data, "../w.data"),
        (with(elsewhere("/etc/passwd")), Kind::Data, "/etc/passwd"),
        (axes(&["1", "127"]), Kind::Data, "[1, 127]"),
        (axes(&["1", "80", "frames"]), Kind::Data, "[1, 80, frames]"),
        (
            axes(&["1", "1", "1", "samples"]),
            Kind::Data,
            "[1, 1, 1, samples]",
        ),
        (
            file(&[node("Add", &["x", "mask"], &[]), waveform(), two, output()]),
            Kind::Data,
            "2 inputs (x, mask)",
        ),
        (file(&[nested]), Kind::Data, "nested too deeply"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let source = Source::new(EncoderName::new("any").unwrap(), &path, usage(None));
        let error = source.describe().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let message = error.to_string();
        assert!(
            message.contains(word) && (kind == Kind::Missing || message.contains("model.onnx")),
            "{message}"
        );
    }
    // What lies beside the model is a part of it.
    fs::write(&path, with(elsewhere("w.data"))).unwrap();
    fs::write(folder.path().join("w.data"), 1f32.to_le_bytes()).unwrap();
    let (files, sum) = super::super::source::identify(&path).unwrap();
    assert_eq!(
        files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["model.onnx", "w.data"]
    );
    fs::write(folder.path().join("w.data"), 2f32.to_le_bytes()).unwrap();
    assert!(super::super::source::identify(&path).unwrap().1 != sum);
    fs::write(folder.path().join("w.data"), [0]).unwrap();
    let error = Encoder::load(&path, &usage(None)).unwrap_err().to_string();
    assert!(error.contains("w.data"), "{error}");
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let whole = fs::read(hubert()).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40).take(40) {
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(
            Encoder::load(&path, &usage(Some("frames")))
                .unwrap_err()
                .kind(),
            Kind::Data
        );
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(&path, bytes).unwrap();
        if let Err(error) = Encoder::load(&path, &usage(Some("frames"))) {
            assert_ne!(error.kind(), Kind::Internal);
            refused += 1;
        }
    }
    assert!(refused > 0);
}
