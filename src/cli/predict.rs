//! `predict`: recordings in, emotions and probabilities out.

use super::args::{Args, Format, Predict};
use super::{print, report};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::pipeline::{Prediction, Predictor};

/// Predicts file by file; a bad file is named and counted, the others go on.
pub fn predict(predict: &Predict, args: &Args, cancel: &Cancel) -> Result<()> {
    let format = if args.global.json { Format::Json } else { predict.format };
    let mut predictor = Predictor::load(&predict.model)?;
    let labels = predictor.labels().to_vec();
    if let (true, false, Some(first)) = (predictor.needs_speaker(), predict.one_speaker, predict.files.first()) {
        return predictor.predict(first).map(drop);
    }
    let mut together = predict.one_speaker.then(|| predictor.predict_speaker(&predict.files).into_iter());
    if format == Format::Csv {
        print(&csv_line(std::iter::once("file").chain(["emotion"]).chain(labels.iter().map(String::as_str)))?)?;
    }
    let mut bad = 0;
    for file in &predict.files {
        cancel.check()?;
        let prediction = together.as_mut().and_then(Iterator::next).unwrap_or_else(|| predictor.predict(file));
        match prediction {
            Ok(prediction) => print(&line(format, &file.to_string_lossy(), &labels, &prediction)?)?,
            Err(error) => {
                bad += 1;
                report(&error, args.global.json);
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(Error::data(format!("{bad} of {} files could not be predicted", predict.files.len()))) }
}

fn line(format: Format, file: &str, labels: &[String], prediction: &Prediction) -> Result<String> {
    let named = labels.iter().zip(&prediction.probabilities);
    match format {
        Format::Table => {
            let mut sorted: Vec<(&String, &f32)> = named.collect();
            sorted.sort_by(|a, b| b.1.total_cmp(a.1));
            let all: Vec<String> = sorted.iter().map(|(label, p)| format!("{label} {p:.3}")).collect();
            Ok(format!("{file}: {}  ({})", prediction.emotion, all.join(", ")))
        }
        Format::Csv => {
            let numbers: Vec<String> = prediction.probabilities.iter().map(f32::to_string).collect();
            csv_line([file, prediction.emotion.as_str()].into_iter().chain(numbers.iter().map(String::as_str)))
        }
        Format::Json => {
            let probabilities: serde_json::Map<String, serde_json::Value> = named.map(|(l, p)| (l.clone(), serde_json::json!(p))).collect();
            Ok(serde_json::json!({ "file": file, "emotion": prediction.emotion, "probabilities": probabilities }).to_string())
        }
    }
}

fn csv_line<'a>(fields: impl Iterator<Item = &'a str>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).map_err(|e| Error::internal("failed to write CSV").because(e))?;
    let bytes = writer.into_inner().map_err(|e| Error::internal("failed to write CSV").because(e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
