//! CPU time per training sample of the RAVDESS network, beside the time of its matrix products
//! alone.
//!
//! `cargo bench --bench engine`; on Linux the thread's own CPU time counts, so that other work on
//! the machine disturbs little.

#[path = "shared/cpu.rs"]
mod cpu;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::model::engine::{Batch, Engine};
use ser::model::{Architecture, Layer, Params, Running};

use cpu::cpu_seconds;

const FEATURES: usize = 193;
const CLASSES: usize = 8;

fn main() {
    let layers = Architecture::Ravdess.layers(FEATURES, CLASSES);
    for n in [64, 32, 16] {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let params = Params::init(&layers, &mut rng);
        let (mut running, mut grads) = (Running::new(&layers), Params::zeros(&layers));
        let x: Vec<f32> = (0..n * FEATURES)
            .map(|_| rng.next_u32() as f32 / u32::MAX as f32 * 3.0 - 1.5)
            .collect();
        let targets: Vec<f32> = (0..n * CLASSES)
            .map(|i| {
                if i % CLASSES == (i / CLASSES) % CLASSES {
                    1.0
                } else {
                    0.0
                }
            })
            .collect();
        let mut engine = Engine::new(&layers, FEATURES, n).expect("the paper's network composes");
        let batch = Batch {
            x: &x,
            targets: &targets,
            weights: None,
        };
        let mut key = 0;
        let step = best_of(|| {
            key += 1;
            engine.train_step(&params, &mut running, &batch, key, &mut grads);
        });
        let inference = best_of(|| {
            engine.infer(&params, &running, &x).expect("sizes match");
        });
        let (products, flops) = products(&layers, n);
        let per_sample = |seconds: f64| seconds * 1e3 / n as f64;
        println!(
            "batch {n}: training {:.3} ms per sample, its products alone {:.3} ({:.0} GFLOP/s, {:.0} % of the time), inference {:.3}",
            per_sample(step),
            per_sample(products),
            flops / products * 1e-9,
            100.0 * products / step,
            per_sample(inference)
        );
    }
}

/// Seconds of one run: the best mean of a few windows, since interference only ever adds. A window
/// is long beside the clock's grain (a tick).
fn best_of(mut work: impl FnMut()) -> f64 {
    const WINDOW: f64 = 0.4;
    work();
    let windows = (0..5).map(|_| {
        let (start, mut runs) = (cpu_seconds(), 0);
        loop {
            work();
            runs += 1;
            let seconds = cpu_seconds() - start;
            if seconds > WINDOW {
                return seconds / f64::from(runs);
            }
        }
    });
    windows.fold(f64::INFINITY, f64::min)
}

/// Time and operations of the convolutions' products (forward, and both gradients) on plain dense
/// matrices of the same sizes.
fn products(layers: &[Layer], n: usize) -> (f64, f64) {
    let (mut seconds, mut flops, mut length) = (0.0, 0.0, FEATURES);
    for layer in layers {
        match *layer {
            Layer::MaxPool { size } => length /= size,
            Layer::Conv {
                inputs,
                outputs,
                kernel,
            } if inputs > 1 => {
                let rows = n * (length + 2);
                for (m, width, inner) in [
                    (rows, outputs, kernel * inputs),
                    (rows, inputs, kernel * outputs),
                    (kernel * inputs, outputs, rows),
                ] {
                    seconds += product_seconds(m, width, inner);
                    flops += 2.0 * (m * width * inner) as f64;
                }
            }
            _ => {}
        }
    }
    (seconds, flops)
}

fn product_seconds(rows: usize, columns: usize, inner: usize) -> f64 {
    let (a, b) = (vec![0.5f32; rows * inner], vec![0.25f32; inner * columns]);
    let mut c = vec![0.0f32; rows * columns];
    let stride = |width: usize| width as isize;
    best_of(|| {
        // SAFETY: the three row-major matrices fill their vectors exactly, and `c` is not read.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                c.as_mut_ptr(),
                1,
                stride(columns),
                false,
                a.as_ptr(),
                1,
                stride(inner),
                b.as_ptr(),
                1,
                stride(columns),
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    })
}
