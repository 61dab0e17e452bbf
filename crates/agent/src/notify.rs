//! Notifications to systemd, if the service runs under it.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often [`alive`] must be called, if at all: twice per watchdog interval.
pub(crate) fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|time| time / 2)
}

pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload has started; [`ready`] ends it.
pub(crate) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now().ok());
    tell(&states);
}

pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Errors are ignored: possibly nobody is listening.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
