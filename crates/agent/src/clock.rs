//! Monotonic time, for ages and intervals. The time of day is only ever shown to people.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The agent's source of time.
pub(crate) trait Clock: Send + Sync {
    /// Time since the machine booted, including time asleep.
    fn since_boot(&self) -> Duration;
    /// Identifies the current boot; ages are comparable only within one.
    fn boot(&self) -> &str;
    /// The time of day in RFC 3339, for people.
    fn wall(&self) -> String;
}

/// The machine's clock.
pub(crate) struct SystemClock {
    boot: String,
}

impl SystemClock {
    pub fn new() -> Self {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot: id.trim().to_owned(),
        }
    }
}

impl Clock for SystemClock {
    fn since_boot(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = ClockId::Monotonic;
        let now = clock_gettime(id);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or(0),
            u32::try_from(now.tv_nsec).unwrap_or(0),
        )
    }

    fn boot(&self) -> &str {
        &self.boot
    }

    fn wall(&self) -> String {
        wall_now()
    }
}

/// The time of day in RFC 3339 with milliseconds.
pub(crate) fn wall_now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let date = now.date();
    let (hour, minute, second, milli) = now.time().as_hms_milli();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
