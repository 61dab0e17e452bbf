//! The requirements of a device, as far as they are known.

use std::str::FromStr;

use skip_client::Error;

use crate::catalogue::{Group, Id, Level};

/// The device that the Key Provider is examined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The draft itself.
    #[default]
    Draft,
    /// Routers with Cisco IOS XE as encryptors.
    IosXe,
    /// Routers with Cisco IOS XR.
    IosXr,
    /// Switches with Cisco NX-OS.
    NxOs,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Draft, Self::IosXe, Self::IosXr, Self::NxOs];

    /// `draft`, `ios-xe`, `ios-xr` or `nx-os`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::IosXe => "ios-xe",
            Self::IosXr => "ios-xr",
            Self::NxOs => "nx-os",
        }
    }

    /// The weight of a check for this device; `None` if it does not apply.
    #[must_use]
    pub fn level(self, id: Id) -> Option<Level> {
        match (id, self) {
            // it has no certificates there, and refuses other ports
            (Id::DevicePsk | Id::DevicePort, Self::IosXe) | (Id::CapabilitiesIdLength, Self::IosXr) => {
                Some(Level::Must)
            }
            (Id::DevicePsk, Self::NxOs) => Some(Level::Interop),
            (Id::DevicePsk | Id::DevicePort, _) => None,
            _ => Some(id.level()),
        }
    }

    /// The checks that apply to this device, in the order of reports; some need the peer too.
    #[must_use]
    pub fn checks(self, has_peer: bool) -> Vec<Id> {
        let concerns = |id: &&Id| {
            self.level(**id).is_some() && (has_peer || id.group() != Group::Peer && **id != Id::CapabilitiesPeer)
        };
        Id::ALL.iter().filter(concerns).copied().collect()
    }

    /// Whether a violated MUST is only a warning, because the device does without.
    #[must_use]
    pub fn forgives(self, id: Id) -> bool {
        // IOS XE is used with Key Providers that only have TLS 1.2
        self == Self::IosXe && id == Id::Tls13
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or_else(|| {
            Error::invalid_argument(
                "profile",
                "must be draft, ios-xe, ios-xr or nx-os",
                "draft is the default",
            )
        })
    }
}
