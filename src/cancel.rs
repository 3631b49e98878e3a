//! A request to stop that long work looks at between its steps.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

/// A shared flag; clones see the same request. One with a time limit also stops by itself.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    asked: Arc<AtomicBool>,
    hooks: Arc<Mutex<Hooks>>,
    limit: Option<(Instant, Duration)>,
}

/// What is done when a stop is asked for.
#[derive(Default)]
struct Hooks(Vec<Box<dyn Fn() + Send>>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}

impl Cancel {
    /// Asks everyone who holds a clone to stop at the next safe point.
    pub fn request(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .iter()
            .for_each(|hook| hook());
    }

    /// Has something short done at each request.
    pub fn on_request(&self, hook: impl Fn() + Send + 'static) {
        self.hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .push(Box::new(hook));
    }

    /// The same flag for work that begins now and may last no longer than `limit`.
    pub fn within(&self, limit: Option<Duration>) -> Cancel {
        Cancel {
            asked: Arc::clone(&self.asked),
            hooks: Arc::clone(&self.hooks),
            limit: limit.map(|limit| (Instant::now(), limit)),
        }
    }

    /// Whether a stop was asked for, or the time is over.
    pub fn requested(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
            || self
                .limit
                .is_some_and(|(began, limit)| began.elapsed() >= limit)
    }

    /// An error once [`Cancel::requested`]: [`Kind::Interrupted`] where a stop was asked for,
    /// [`Kind::TimedOut`] where the time is over.
    pub fn check(&self) -> Result<()> {
        match self.limit {
            _ if self.asked.load(Ordering::Relaxed) => Err(Error::interrupted()),
            Some((began, limit)) if began.elapsed() >= limit => {
                let error = Error::new(
                    Kind::TimedOut,
                    format!("stopped at the time limit of {} s", limit.as_secs_f64()),
                );
                Err(error.hint("run the same command with a longer --time-limit: what was finished is kept, and a training goes on"))
            }
            _ => Ok(()),
        }
    }

    /// Sleeps for `time`, or until a stop is asked for.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            match end.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(left) => std::thread::sleep(left.min(Duration::from_millis(50))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stops_the_work_that_has_it_and_no_other() {
        let all = Cancel::default();
        let one = all.within(Some(Duration::ZERO));
        assert_eq!(one.check().unwrap_err().kind(), Kind::TimedOut);
        assert!(
            all.check().is_ok()
                && all.within(None).check().is_ok()
                && all.within(Some(Duration::from_secs(3600))).check().is_ok()
        );
        all.request();
        assert_eq!(
            one.check().unwrap_err().kind(),
            Kind::Interrupted,
            "who asks comes before the clock"
        );
        assert!(all.within(None).sleep(Duration::from_secs(3600)).is_err());
    }
}
