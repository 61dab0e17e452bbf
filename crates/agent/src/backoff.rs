//! Backoff between attempts: roughly doubles each time, with jitter.

use std::time::Duration;

/// The backoff of one tunnel.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest: longest.max(first),
            failures: 0,
        }
    }

    /// The wait after one more failure: between half and all of `first * 2^failures`, at most `longest`.
    pub fn next(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(30)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let whole = self.first.saturating_mul(factor).min(self.longest);
        whole / 2 + whole.mul_f64(fastrand::f64() / 2.0)
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_grow_to_the_maximum_and_can_be_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        for n in 0..100 {
            let whole = Duration::from_secs(1 << n.min(6)).min(Duration::from_mins(1));
            let wait = backoff.next();
            assert!(whole / 2 <= wait && wait <= whole, "{n}: {wait:?}");
        }
        assert_eq!(backoff.failures(), 100);
        backoff.reset();
        assert!(backoff.next() <= Duration::from_secs(1));
    }
}
