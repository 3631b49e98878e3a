//! Training that was interrupted goes on where it stopped, bit for bit: everything that an epoch
//! leaves, in one file.
//!
//! Layout: 8 bytes `MAGIC` (with the version), 32 bytes BLAKE3 of all that follows, 8 bytes
//! little-endian length of a JSON header, the header, then little-endian f32 (parameters, running
//! statistics, the same of the best epoch if there is one) and the optimizer's state as burn
//! serialises it. Random numbers need no state: their streams are keyed by seed and epoch.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{read_if_there, write_atomically};
use crate::model::train::EpochRecord;
use crate::model::{Layer, Params, Running};

const MAGIC: &[u8; 8] = b"serckpt1";

/// Parameters and running statistics of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What was learnt.
    pub params: Params,
    /// What batch normalisation saw.
    pub running: Running,
}

/// The best epoch so far by validation loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Its number, from 1.
    pub epoch: usize,
    /// Its validation loss.
    pub loss: f64,
    /// The network then.
    pub snapshot: Snapshot,
}

/// The state of a training run at the end of an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Epochs done.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// The network.
    pub snapshot: Snapshot,
    /// The best epoch, when training stops early.
    pub best: Option<Best>,
    /// One record per epoch done.
    pub history: Vec<EpochRecord>,
    /// The optimizer's state.
    pub optimizer: Vec<u8>,
}

/// What was found where a checkpoint may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// No file.
    Nothing,
    /// A file that does not fit, and why it is not used.
    Ignored(String),
    /// A state to go on from.
    State(Box<Checkpoint>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    fingerprint: String,
    epoch: usize,
    step: usize,
    history: Vec<EpochRecord>,
    best: Option<(usize, f64)>,
}

fn push(bytes: &mut Vec<u8>, snapshot: &Snapshot) {
    let Snapshot { params, running } = snapshot;
    for values in params
        .tensors
        .iter()
        .chain(&running.means)
        .chain(&running.variances)
    {
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
}

/// Takes the values of one snapshot from the front of `bytes`.
fn pull(bytes: &mut &[u8], layers: &[Layer]) -> Option<Snapshot> {
    let mut take = |len: usize| -> Option<Vec<f32>> {
        let (head, rest) = bytes.split_at_checked(len.checked_mul(4)?)?;
        *bytes = rest;
        Some(
            head.as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
        )
    };
    let tensors = Params::shapes(layers)
        .iter()
        .map(|(_, shape)| take(shape.iter().product()))
        .collect::<Option<_>>()?;
    let empty = Running::new(layers);
    let means = empty
        .means
        .iter()
        .map(|m| take(m.len()))
        .collect::<Option<_>>()?;
    let variances = empty
        .variances
        .iter()
        .map(|m| take(m.len()))
        .collect::<Option<_>>()?;
    Some(Snapshot {
        params: Params { tensors },
        running: Running { means, variances },
    })
}

/// Writes a checkpoint of the run that `fingerprint` names.
pub fn save(path: &Path, fingerprint: &str, checkpoint: &Checkpoint) -> Result<()> {
    let header = Header {
        fingerprint: fingerprint.to_owned(),
        epoch: checkpoint.epoch,
        step: checkpoint.step,
        history: checkpoint.history.clone(),
        best: checkpoint.best.as_ref().map(|b| (b.epoch, b.loss)),
    };
    let header = serde_json::to_vec(&header)
        .map_err(|e| Error::internal("a checkpoint cannot be serialised").because(e))?;
    let mut body = (header.len() as u64).to_le_bytes().to_vec();
    body.extend(&header);
    push(&mut body, &checkpoint.snapshot);
    if let Some(best) = &checkpoint.best {
        push(&mut body, &best.snapshot);
    }
    body.extend(&checkpoint.optimizer);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(blake3::hash(&body).as_bytes());
    bytes.extend(body);
    write_atomically(path, &bytes)
}

/// Looks for a checkpoint of the run that `fingerprint` names, whose network is `layers`.
///
/// # Errors
/// When there is a file that the file system does not let us read.
pub fn load(path: &Path, fingerprint: &str, layers: &[Layer]) -> Result<Found> {
    let Some(bytes) = read_if_there(path)? else {
        return Ok(Found::Nothing);
    };
    let ignored = |why: &str| {
        Ok(Found::Ignored(format!(
            "the checkpoint {} {why}: training starts anew",
            path.display()
        )))
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return ignored("is of another version or no checkpoint");
    };
    let Some((hash, body)) = rest.split_at_checked(32) else {
        return ignored("is cut short");
    };
    if blake3::hash(body).as_bytes() != hash {
        return ignored("is damaged");
    }
    match decode(body, fingerprint, layers) {
        Ok(checkpoint) => Ok(Found::State(Box::new(checkpoint))),
        Err(why) => ignored(why),
    }
}

fn decode(
    body: &[u8],
    fingerprint: &str,
    layers: &[Layer],
) -> std::result::Result<Checkpoint, &'static str> {
    const UNFIT: &str = "does not fit the network";
    let (len, rest) = body.split_first_chunk::<8>().ok_or(UNFIT)?;
    let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| UNFIT)?;
    let (header, mut rest) = rest.split_at_checked(len).ok_or(UNFIT)?;
    let header: Header =
        serde_json::from_slice(header).map_err(|_| "has a header that cannot be read")?;
    if header.fingerprint != fingerprint {
        return Err("belongs to other settings or data");
    }
    let snapshot = pull(&mut rest, layers).ok_or(UNFIT)?;
    let best = match header.best {
        Some((epoch, loss)) => Some(Best {
            epoch,
            loss,
            snapshot: pull(&mut rest, layers).ok_or(UNFIT)?,
        }),
        None => None,
    };
    Ok(Checkpoint {
        epoch: header.epoch,
        step: header.step,
        snapshot,
        best,
        history: header.history,
        optimizer: rest.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LAYERS: [Layer; 2] = [
        Layer::Dense {
            inputs: 2,
            outputs: 3,
        },
        Layer::BatchNorm { channels: 3 },
    ];

    fn example() -> Checkpoint {
        let snapshot = |v: f32| Snapshot {
            params: Params {
                tensors: vec![
                    vec![v; 6],
                    vec![f32::MIN_POSITIVE; 3],
                    vec![1.0; 3],
                    vec![-0.0; 3],
                ],
            },
            running: Running {
                means: vec![vec![v; 3]],
                variances: vec![vec![0.1; 3]],
            },
        };
        let record = EpochRecord {
            epoch: 1,
            train_loss: 0.1 + 0.2,
            train_accuracy: 1.0 / 3.0,
            validation_loss: Some(1e-300),
            validation_accuracy: None,
            learning_rate: 1e-5,
        };
        Checkpoint {
            epoch: 1,
            step: 7,
            snapshot: snapshot(0.1),
            best: Some(Best {
                epoch: 1,
                loss: 0.1 + 0.7,
                snapshot: snapshot(0.7),
            }),
            history: vec![record],
            optimizer: vec![1, 2, 3],
        }
    }

    #[test]
    fn round_trip_is_exact() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("deeper/run.ckpt");
        assert_eq!(load(&path, "a", &LAYERS).expect("nothing"), Found::Nothing);
        save(&path, "a", &example()).expect("saved");
        assert_eq!(
            load(&path, "a", &LAYERS).expect("loaded"),
            Found::State(Box::new(example()))
        );
        assert_eq!(
            fs::read_dir(path.parent().expect("parent"))
                .expect("listed")
                .count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn what_does_not_fit_is_ignored_with_a_reason() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("run.ckpt");
        save(&path, "a", &example()).expect("saved");
        let reason = |fingerprint: &str, layers: &[Layer]| match load(&path, fingerprint, layers)
            .expect("readable")
        {
            Found::Ignored(why) => why,
            found => panic!("{found:?}"),
        };
        assert!(reason("b", &LAYERS).contains("belongs to other settings or data"));
        assert!(
            reason(
                "a",
                &[Layer::Dense {
                    inputs: 200,
                    outputs: 3
                }]
            )
            .contains("does not fit the network")
        );
        let bytes = fs::read(&path).expect("bytes");
        for cut in [0, 7, 20, 45, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).expect("cut");
            reason("a", &LAYERS);
        }
        let mut flipped = bytes.clone();
        flipped[60] ^= 1;
        fs::write(&path, flipped).expect("flipped");
        assert!(reason("a", &LAYERS).contains("is damaged"));
        let mut newer = bytes;
        newer[7] = b'2';
        fs::write(&path, newer).expect("newer");
        assert!(reason("a", &LAYERS).contains("another version"));
    }
}
