//! Training and inference of the paper's RAVDESS network as ser does them for a fold: the
//! counterpart of `benches/peers/torch_cnn.py`.
//!
//! `cargo bench --bench throughput -- --mode train --batch 64 --workers 1 --seconds 10`
//!
//! Training is `model::train` on 1152 random rows of 193 features in 8 classes: taking rows,
//! dropout, both passes, RMSprop. Inference is the classifier that a saved model gives. Workers are
//! threads with a model each, as the folds of an experiment run side by side.
//!
//! Every worker warms up; then all clocks start together, and no worker rests before all clocks
//! have stopped. Prints one line: samples per second summed over the workers, and CPU time (user
//! and system) per sample.

use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::cancel::Cancel;
use ser::error::{Error, Kind, Result};
use ser::model::{
    Architecture, Classifier, CnnClassifier, Device, NetSpec, NormStatistics, Optimizer, Params,
    Running, Schedule, TrainJob, TrainSettings, train,
};
use ser::split::{Dataset, Matrix, Parts, Role, Shape};

const ROWS: usize = 1152;
const FEATURES: usize = 193;
const CLASSES: usize = 8;
const WARM_BATCHES: usize = 4;

/// Samples per second and CPU time per sample of ser's network.
#[derive(Debug, Parser)]
#[command(name = "throughput")]
struct Options {
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,
    /// Rows per step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=1152))]
    batch: u16,
    /// Threads, each with a model of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// How long the clocks run, at least
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// As `device` in the settings of a training
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Train,
    Infer,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|s: &f64| s.is_finite() && *s > 0.0)
        .ok_or_else(|| "a positive number of seconds is needed".to_owned())
}

fn device(name: &str) -> Result<Device, String> {
    serde_json::from_value(name.into()).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(total) => {
            let mode = if options.mode == Mode::Train {
                "train"
            } else {
                "infer"
            };
            let Options { batch, workers, .. } = options;
            let Window {
                samples,
                rate,
                cpu_s,
                ..
            } = total;
            let cpu_ms = cpu_s * 1e3 / samples as f64;
            println!(
                "mode={mode} batch={batch} workers={workers} samples_per_s={rate:.1} cpu_ms_per_sample={cpu_ms:.4} samples={samples}"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// What one worker did while its clock ran.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    samples: usize,
    rate: f64,
    cpu_s: f64,
}

fn measure(options: &Options) -> Result<Window> {
    if options.mode == Mode::Infer && options.device != Device::Cpu {
        return Err(Error::usage("a saved model predicts on the CPU")
            .hint("leave --device out, or use --mode train"));
    }
    let workers = usize::from(options.workers);
    // A lone worker is charged for all threads of the process, should a device have its own; of
    // several, each for its own thread.
    let cpu_clock = if workers == 1 {
        libc::CLOCK_PROCESS_CPUTIME_ID
    } else {
        libc::CLOCK_THREAD_CPUTIME_ID
    };
    let gate = Gate {
        start: Barrier::new(workers),
        working: AtomicUsize::new(workers),
        seconds: options.seconds,
        cpu_clock,
    };
    let one = |seed| match options.mode {
        Mode::Train => trained(options, &gate, seed),
        Mode::Infer => inferred(options, &gate, seed),
    };
    let windows: Vec<Result<Window>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.workers)
            .map(|seed| scope.spawn(move || one(u64::from(seed))))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Error::internal("a worker panicked")))
            })
            .collect()
    });
    windows
        .into_iter()
        .try_fold(Window::default(), |sum, window| {
            let window = window?;
            Ok(Window {
                samples: sum.samples + window.samples,
                rate: sum.rate + window.rate,
                cpu_s: sum.cpu_s + window.cpu_s,
            })
        })
}

/// Where the workers wait for each other.
struct Gate {
    start: Barrier,
    /// Workers whose clock has not stopped.
    working: AtomicUsize,
    seconds: f64,
    cpu_clock: libc::clockid_t,
}

/// The clock of one worker.
struct Clock<'a> {
    gate: &'a Gate,
    samples: usize,
    begun: Option<(Instant, f64)>,
    window: Option<Window>,
}

impl<'a> Clock<'a> {
    fn new(gate: &'a Gate) -> Self {
        Clock {
            gate,
            samples: 0,
            begun: None,
            window: None,
        }
    }

    /// Warm: waits for the others and starts.
    fn start(&mut self) {
        self.gate.start.wait();
        self.begun = Some((Instant::now(), cpu_seconds(self.gate.cpu_clock)));
    }

    /// Counts; returns whether every clock has stopped.
    fn count(&mut self, samples: usize) -> bool {
        self.samples += samples;
        if let (None, Some((wall, cpu))) = (self.window, self.begun) {
            let seconds = wall.elapsed().as_secs_f64();
            if seconds >= self.gate.seconds {
                let (samples, cpu_s) = (self.samples, cpu_seconds(self.gate.cpu_clock) - cpu);
                self.window = Some(Window {
                    samples,
                    rate: samples as f64 / seconds,
                    cpu_s,
                });
                self.gate.working.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.gate.working.load(Ordering::Acquire) == 0
    }

    fn read(self) -> Result<Window> {
        self.window
            .ok_or_else(|| Error::internal("the work ended before its clock"))
    }
}

fn network() -> NetSpec {
    NetSpec {
        layers: Architecture::Ravdess.layers(FEATURES, CLASSES),
        n_features: FEATURES,
        n_classes: CLASSES,
    }
}

fn rows(rng: &mut ChaCha8Rng) -> Matrix {
    Matrix::new(
        ROWS,
        FEATURES,
        (0..ROWS * FEATURES)
            .map(|_| rng.random_range(-1.0f32..1.0))
            .collect(),
    )
}

fn trained(options: &Options, gate: &Gate, seed: u64) -> Result<Window> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data = Dataset {
        ids: (0..ROWS).map(|i| format!("u{i:04}")).collect(),
        labels: (0..CLASSES).map(|c| format!("class{c}")).collect(),
        x: rows(&mut rng).into(),
        shape: Shape::vector(FEATURES),
        y: (0..ROWS).map(|_| rng.random_range(0..CLASSES)).collect(),
        speakers: vec![String::from("nobody"); ROWS],
    };
    let parts = Parts::of(&data, &[Some(Role::Train); ROWS]);
    let settings = TrainSettings {
        optimizer: Optimizer::Rmsprop,
        learning_rate: 1e-5,
        schedule: Schedule::InverseTime { decay: 1e-6 },
        weight_decay: 0.0,
        batch_size: usize::from(options.batch),
        epochs: 1_000_000,
        label_smoothing: 0.0,
        mixup: 0.0,
        spec_augment: None,
        class_weights: false,
        batch_norm: NormStatistics::Population,
        early_stopping: None,
        checkpoint_every: 0,
        device: options.device,
    };
    let (spec, cancel, mut clock) = (network(), Cancel::default(), Clock::new(gate));
    let job = TrainJob {
        spec: &spec,
        settings: &settings,
        train: &parts.train,
        validation: None,
        seed,
        checkpoint: None,
    };
    // The first epoch warms up; a request to stop is the only end.
    let outcome = train(&job, &cancel, &mut |record| {
        if record.epoch == 1 {
            clock.start();
        } else if clock.count(ROWS) {
            cancel.request();
        }
    });
    match outcome {
        Err(error) if error.kind() == Kind::Interrupted => clock.read(),
        Err(error) => Err(error),
        Ok(_) => clock.read(),
    }
}

fn inferred(options: &Options, gate: &Gate, seed: u64) -> Result<Window> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (spec, x) = (network(), rows(&mut rng));
    let (params, running) = (
        Params::init(&spec.layers, &mut rng),
        Running::new(&spec.layers),
    );
    let mut classifier: Box<dyn Classifier> = Box::new(CnnClassifier::new(spec, params, running)?);
    let mut order: Vec<usize> = (0..ROWS).collect();
    let batch = usize::from(options.batch);
    for rows in order.chunks(batch).take(WARM_BATCHES) {
        classifier.probabilities(&x.select(rows))?;
    }
    let mut clock = Clock::new(gate);
    clock.start();
    loop {
        order.shuffle(&mut rng);
        for rows in order.chunks(batch) {
            std::hint::black_box(classifier.probabilities(&x.select(rows))?);
            if clock.count(rows.len()) {
                return clock.read();
            }
        }
    }
}

/// User and system time by one of the system's clocks.
fn cpu_seconds(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer; an unknown clock would leave it at zero.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
