//! Where networks are trained: what this build knows, and what this machine has.

use burn::tensor::Device as BurnDevice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which implementation computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The project's CPU engine.
    Cpu,
    /// The burn module itself with burn's autodiff on its flex backend: the reference.
    BurnFlex,
    /// The burn module on an NVIDIA GPU; only in builds with the feature `cuda`.
    Cuda,
    /// The burn module on a GPU by way of Vulkan, Metal, Direct3D 12 or OpenGL; only in builds with
    /// the feature `wgpu`.
    Wgpu,
}

impl Device {
    /// All of them, whether this build has them or not.
    pub const ALL: [Device; 4] = [Device::Cpu, Device::BurnFlex, Device::Cuda, Device::Wgpu];

    /// The word of the pipeline file and of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::BurnFlex => "burn-flex",
            Device::Cuda => "cuda",
            Device::Wgpu => "wgpu",
        }
    }

    /// Whether it is a device that a machine may not have.
    pub fn is_gpu(self) -> bool {
        matches!(self, Device::Cuda | Device::Wgpu)
    }

    /// The cargo feature without which this build lacks the device.
    pub fn lacking_feature(self) -> Option<&'static str> {
        match self {
            Device::Cuda if cfg!(not(feature = "cuda")) => Some("cuda"),
            Device::Wgpu if cfg!(not(feature = "wgpu")) => Some("wgpu"),
            _ => None,
        }
    }

    /// What the hardware calls itself, once it has shown that it computes; `None` where any machine
    /// will do.
    ///
    /// The first call per process and device opens it, which may take a second; later ones repeat
    /// the answer.
    ///
    /// # Errors
    /// Missing where this machine has no such device, or none that works; a config error where this
    /// build lacks it.
    pub fn hardware(self) -> Result<Option<String>> {
        match self {
            Device::Cpu | Device::BurnFlex => Ok(None),
            Device::Cuda | Device::Wgpu => Ok(Some(self.opened()?.1)),
        }
    }

    /// burn's name for the device; `None` for the engine, which is not burn's.
    pub(super) fn burn(self) -> Result<Option<BurnDevice>> {
        match self {
            Device::Cpu => Ok(None),
            Device::BurnFlex => Ok(Some(BurnDevice::flex())),
            Device::Cuda | Device::Wgpu => Ok(Some(self.opened()?.0)),
        }
    }

    fn opened(self) -> Result<(BurnDevice, String)> {
        if let Some(error) = self.lacking() {
            return Err(error);
        }
        gpu::open(self).map_err(|why| {
            Error::missing(format!("the device `{}` cannot be used on this machine: {why}", self.name())).hint(match self {
                Device::Cuda => "cuda needs an NVIDIA GPU and its driver; the device `cpu` trains on any machine",
                _ => "wgpu needs a GPU with a driver for Vulkan, Metal, Direct3D 12 or OpenGL; the device `cpu` trains on any machine",
            })
        })
    }

    /// The error for a device that this build lacks.
    pub(crate) fn lacking(self) -> Option<Error> {
        let feature = self.lacking_feature()?;
        let error = Error::config(format!("this build of ser has no device `{}`", self.name()));
        Some(error.hint(format!(
            "build it with cargo build --release --features {feature}, or take the device `cpu`"
        )))
    }
}

/// The device gave up in the midst of the work, most often for lack of memory.
pub(super) fn gave_up(why: &impl std::fmt::Display) -> Error {
    Error::missing(format!(
        "the training device gave up: {}",
        one_line(&why.to_string())
    ))
    .hint("a smaller batch_size needs less of its memory; the device `cpu` trains on any machine")
}

/// Messages of drivers have several lines, the first of which often says nothing alone.
fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    message
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(LONGEST)
        .collect()
}

#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
mod gpu {
    use super::{BurnDevice, Device};

    pub(super) fn open(_: Device) -> Result<(BurnDevice, String), String> {
        Err("it is not part of this build".to_owned())
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod gpu {
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::sync::{Arc, OnceLock};

    use burn::tensor::Tensor;

    use super::{BurnDevice, Device, one_line};

    type Opened = Result<(BurnDevice, String), String>;

    /// Opens the device at the first call: a runtime cannot be set up twice, and what is absent
    /// stays absent.
    pub(super) fn open(device: Device) -> Opened {
        static CUDA: OnceLock<Opened> = OnceLock::new();
        static WGPU: OnceLock<Opened> = OnceLock::new();
        match device {
            Device::Cuda => CUDA.get_or_init(|| probe(cuda)),
            _ => WGPU.get_or_init(|| probe(wgpu)),
        }
        .clone()
    }

    #[cfg(feature = "cuda")]
    fn cuda() -> Result<BurnDevice, String> {
        let found = BurnDevice::enumerate(burn::tensor::DeviceType::Cuda)
            .into_iter()
            .next();
        found.ok_or_else(|| "no NVIDIA driver with a GPU is found".to_owned())
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda() -> Result<BurnDevice, String> {
        Err("it is not part of this build".to_owned())
    }

    #[cfg(feature = "wgpu")]
    fn wgpu() -> Result<BurnDevice, String> {
        use burn::tensor::wgpu::WgpuInitError::AdapterUnavailable;
        BurnDevice::wgpu_options()
            .init()
            .map_err(|error| match error {
                AdapterUnavailable { message, .. } => message,
                other => other.to_string(),
            })
    }

    #[cfg(not(feature = "wgpu"))]
    fn wgpu() -> Result<BurnDevice, String> {
        Err("it is not part of this build".to_owned())
    }

    /// Finds the device and lets it add two numbers. What is found may still fail to start (a
    /// driver that is too old, a card in use by another), and then burn panics, in threads of its
    /// own first: nobody is to see that but as the error it becomes.
    fn probe(find: fn() -> Result<BurnDevice, String>) -> Opened {
        let first = Arc::new(OnceLock::new());
        let (hook, said) = (take_hook(), Arc::clone(&first));
        set_hook(Box::new(move |info| {
            said.get_or_init(|| info.payload_as_str().unwrap_or_default().to_owned());
        }));
        let result = catch_unwind(|| {
            let device = find()?;
            let sum = Tensor::<1>::from_floats([1.0, 2.0], &device)
                .sum()
                .try_into_data()
                .map_err(|e| e.to_string())?;
            match sum.as_slice::<f32>() {
                Ok([3.0]) => {}
                other => return Err(format!("it adds 1 and 2 to {other:?}")),
            }
            let name = device
                .identity()
                .map_or_else(|| "unknown".to_owned(), |identity| identity.name);
            Ok((device, name))
        });
        set_hook(hook);
        let panicked = || {
            Err(first
                .get()
                .cloned()
                .unwrap_or_else(|| "its driver panics".to_owned()))
        };
        result
            .unwrap_or_else(|_| panicked())
            .map_err(|why| one_line(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_device_is_called_what_the_file_calls_it() {
        for device in Device::ALL {
            assert_eq!(serde_json::to_value(device).unwrap(), device.name());
        }
    }

    #[test]
    fn a_device_works_or_says_what_is_missing() {
        for device in Device::ALL {
            match (device.lacking_feature(), device.hardware()) {
                (None, Ok(name)) => {
                    assert_eq!(name.is_some(), device.is_gpu());
                    assert_eq!(device.burn().unwrap().is_some(), device != Device::Cpu);
                }
                (None, Err(error)) => {
                    assert_eq!(error.kind(), Kind::Missing, "{error}");
                    assert!(error.hint_text().unwrap().contains("`cpu`"));
                    assert!(!error.to_string().contains('\n'));
                    // Asked again, it says the same.
                    assert_eq!(device.burn().unwrap_err().to_string(), error.to_string());
                }
                (Some(feature), result) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), Kind::Config);
                    assert!(
                        error
                            .hint_text()
                            .unwrap()
                            .contains(&format!("cargo build --release --features {feature}"))
                    );
                }
            }
        }
    }

    #[test]
    fn a_message_of_many_lines_becomes_one() {
        assert_eq!(
            one_line("No adapter\nCaused by:\n  nothing"),
            "No adapter Caused by: nothing"
        );
        assert_eq!(one_line(&"x".repeat(1000)).len(), 300);
    }
}
