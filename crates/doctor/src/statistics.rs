//! Counts of bits and bytes: they reveal a generator that is stuck, and prove nothing about a good one.

/// Counts over all keys, or all random strings. Individual values are not kept.
pub(crate) struct Counts {
    ones: u64,
    bytes: u64,
    histogram: [u32; 256],
}

/// The conclusion from the counts.
pub(crate) enum Finding {
    /// Too few bytes for a conclusion.
    TooFew(u64),
    /// Nothing unusual.
    Plain {
        /// The number of bits counted.
        bits: u64,
        /// Ones per thousand bits.
        per_mille: u64,
    },
    /// A count that occurs by chance less than once in a million.
    Odd(String),
}

/// The minimum number of bytes for a conclusion.
const ENOUGH: u64 = 160;
/// From this many bytes, each byte value is expected five times, as the chi-squared test requires.
const ENOUGH_FOR_HISTOGRAM: u64 = 1280;
/// Standard deviations. Anything beyond occurs less than once in a million.
const LIMIT: f64 = 5.0;

impl Counts {
    pub fn new() -> Self {
        Self {
            ones: 0,
            bytes: 0,
            histogram: [0; 256],
        }
    }

    pub fn add(&mut self, secret: &[u8]) {
        for byte in secret {
            self.ones += u64::from(byte.count_ones());
            self.histogram[usize::from(*byte)] += 1;
        }
        self.bytes += secret.len() as u64;
    }

    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn finding(&self) -> Finding {
        if self.bytes < ENOUGH {
            return Finding::TooFew(self.bytes);
        }
        let bits = self.bytes * 8;
        let n = bits as f64;
        let balance = (2.0 * self.ones as f64 - n) / n.sqrt();
        let per_mille = self.ones * 1000 / bits;
        if balance.abs() > LIMIT {
            return Finding::Odd(format!("{per_mille} of 1000 bits are ones"));
        }
        if self.bytes >= ENOUGH_FOR_HISTOGRAM {
            let expected = self.bytes as f64 / 256.0;
            let chi: f64 = self
                .histogram
                .iter()
                .map(|seen| (f64::from(*seen) - expected).powi(2) / expected)
                .sum();
            // 255 degrees of freedom: mean 255, variance 510
            if ((chi - 255.0) / 510f64.sqrt()).abs() > LIMIT + 1.0 {
                return Finding::Odd("some values of bytes are far more frequent than others".into());
            }
        }
        Finding::Plain { bits, per_mille }
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        // with few keys the histogram reveals which bytes were in them
        self.histogram.fill(0);
        std::hint::black_box(&mut self.histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Finding};

    fn finding(bytes: impl Iterator<Item = u8>) -> Finding {
        let mut counts = Counts::new();
        counts.add(&bytes.collect::<Vec<_>>());
        counts.finding()
    }

    #[test]
    fn what_is_stuck_is_found_and_the_rest_is_not() {
        assert!(matches!(finding((0..159).map(|_| 0)), Finding::TooFew(159)));
        assert!(
            matches!(finding((0..=255).cycle().take(5120)), Finding::Odd(_)),
            "too even"
        );
        assert!(matches!(finding((0..200).map(|_| 0)), Finding::Odd(_)));
        // half of the bits are ones, but there are only two byte values
        assert!(matches!(
            finding([0x0f, 0xf0].into_iter().cycle().take(2000)),
            Finding::Odd(_)
        ));
        let mut state = 1u64;
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            u8::try_from(state >> 56).expect("a byte")
        });
        assert!(matches!(finding(noise.take(4000)), Finding::Plain { bits: 32_000, .. }));
    }
}
