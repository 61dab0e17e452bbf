//! Export formats for keys.

use std::str::FromStr;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::secret::Secret;

/// A key format that other software reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Hexadecimal, lower case.
    Hex,
    /// Base64 with padding.
    Base64,
    /// The bytes themselves.
    Raw,
    /// A `secrets` block for strongSwan's `swanctl.conf`.
    Strongswan,
    /// A line for libreswan's `ipsec.secrets`; keyIds of at most 64 bytes.
    Libreswan,
    /// `set` commands for `VyOS`.
    Vyos,
    /// Base64 of exactly 256 bits, as `wg set ... preshared-key` reads it.
    Wireguard,
    /// `mka_cak` and `mka_ckn` for `wpa_supplicant` (`MACsec`); keys of 128 or 256 bits, hexadecimal keyIds of 2 to 64 digits.
    Wpa,
    /// A `ppk manual` line for a Cisco IOS XE `IKEv2` keyring; keyIds of letters, digits, `+` and `/`.
    Cisco,
}

impl ExportFormat {
    /// All formats.
    pub const ALL: [ExportFormat; 9] = [
        Self::Hex,
        Self::Base64,
        Self::Raw,
        Self::Strongswan,
        Self::Libreswan,
        Self::Vyos,
        Self::Wireguard,
        Self::Wpa,
        Self::Cisco,
    ];

    /// The name of the format, lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Raw => "raw",
            Self::Strongswan => "strongswan",
            Self::Libreswan => "libreswan",
            Self::Vyos => "vyos",
            Self::Wireguard => "wireguard",
            Self::Wpa => "wpa",
            Self::Cisco => "cisco",
        }
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Error::export_format(Self::ALL.map(Self::as_str).to_vec()))
    }
}

/// Exports the key in a format. Configuration formats end with a newline; the others are the bare value.
pub(crate) fn export(key_id: &KeyId, secret: &Secret, format: ExportFormat) -> Result<Zeroizing<Vec<u8>>> {
    let name = format.as_str();
    let id = key_id.as_str();
    let bits = secret.len() * 8;
    Ok(match format {
        ExportFormat::Raw => Zeroizing::new(secret.try_expose()?.to_vec()),
        ExportFormat::Hex => secret.hex()?,
        ExportFormat::Wireguard if bits != 256 => {
            return Err(Error::export_size(name, "takes a key of exactly 256 bits"));
        }
        ExportFormat::Base64 | ExportFormat::Wireguard => base64(secret.try_expose()?),
        ExportFormat::Strongswan => {
            // strongSwan allows no dots in section names, and no keyId contains a plus
            let section = id.replace('.', "+");
            let before = format!("secrets {{\n  ppk-{section} {{\n    id = {id}\n    secret = 0x");
            around(&before, &secret.hex()?, "\n  }\n}\n")
        }
        ExportFormat::Libreswan if id.len() > 64 => {
            return Err(Error::export_key_id(name, "takes a keyId of at most 64 bytes"));
        }
        ExportFormat::Libreswan => around(&format!(": PPKS \"{id}\" 0x"), &secret.hex()?, "\n"),
        ExportFormat::Vyos => {
            let node = format!("set vpn ipsec authentication ppk skip-{id}");
            let before = format!("{node} id '{id}'\n{node} secret-type 'hex'\n{node} secret '");
            around(&before, &secret.hex()?, "'\n")
        }
        ExportFormat::Wpa if bits != 128 && bits != 256 => {
            return Err(Error::export_size(name, "takes a key of 128 or 256 bits"));
        }
        ExportFormat::Wpa if id.len() > 64 || key_id.octets().is_none() => {
            return Err(Error::export_key_id(
                name,
                "takes a keyId of 2 to 64 hexadecimal digits",
            ));
        }
        ExportFormat::Wpa => around("mka_cak=", &secret.hex()?, &format!("\nmka_ckn={id}\n")),
        ExportFormat::Cisco if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/') => {
            return Err(Error::export_key_id(
                name,
                "takes a keyId of letters, digits, '+' and '/'",
            ));
        }
        ExportFormat::Cisco => around(&format!("ppk manual id {id} key hex "), &secret.hex()?, "\n"),
    })
}

/// Concatenates the parts in a buffer of the final size: growing it would leave copies of the key behind.
fn around(before: &str, secret: &[u8], after: &str) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(before.len() + secret.len() + after.len()));
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(secret);
    out.extend_from_slice(after.as_bytes());
    out
}

fn base64(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; Base64::encoded_len(bytes)]);
    let encoded = Base64::encode(bytes, &mut out).map_or(0, str::len);
    debug_assert_eq!(encoded, out.len());
    out
}

#[cfg(test)]
mod tests {
    use super::{ExportFormat, export};
    use crate::key_id::KeyId;
    use crate::secret::Secret;

    fn text(id: &str, bytes: usize, format: ExportFormat) -> Option<String> {
        let id = KeyId::lenient(id).expect("a keyId");
        let exported = export(&id, &Secret::copy_of(&vec![0xAB; bytes]), format).ok()?;
        assert_eq!(exported.capacity(), exported.len(), "a buffer that grew leaves copies");
        String::from_utf8(exported.to_vec()).ok()
    }

    #[test]
    fn each_consumer_gets_its_form() {
        let hex = "ab".repeat(32);
        for (format, expected) in [
            (ExportFormat::Hex, hex.clone()),
            (
                ExportFormat::Base64,
                "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".to_owned(),
            ),
            (
                ExportFormat::Wireguard,
                "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".to_owned(),
            ),
            (
                ExportFormat::Strongswan,
                format!("secrets {{\n  ppk-00ff {{\n    id = 00ff\n    secret = 0x{hex}\n  }}\n}}\n"),
            ),
            (ExportFormat::Libreswan, format!(": PPKS \"00ff\" 0x{hex}\n")),
            (
                ExportFormat::Vyos,
                format!(
                    "set vpn ipsec authentication ppk skip-00ff id '00ff'\n\
                     set vpn ipsec authentication ppk skip-00ff secret-type 'hex'\n\
                     set vpn ipsec authentication ppk skip-00ff secret '{hex}'\n"
                ),
            ),
            (ExportFormat::Wpa, format!("mka_cak={hex}\nmka_ckn=00ff\n")),
            (ExportFormat::Cisco, format!("ppk manual id 00ff key hex {hex}\n")),
        ] {
            assert_eq!(text("00ff", 32, format), Some(expected), "{}", format.as_str());
        }
    }

    #[test]
    fn what_a_consumer_cannot_take_is_refused() {
        let long = "ab".repeat(33);
        for (id, bytes, format) in [
            ("00ff", 16, ExportFormat::Wireguard),
            ("00ff", 33, ExportFormat::Wireguard),
            ("00ff", 24, ExportFormat::Wpa),
            (&long, 32, ExportFormat::Wpa),
            ("SKIP-1", 32, ExportFormat::Wpa),
            (&long, 32, ExportFormat::Libreswan),
            ("SKIP-1", 32, ExportFormat::Cisco),
        ] {
            assert_eq!(text(id, bytes, format), None, "{}", format.as_str());
        }
    }

    #[test]
    fn names_are_read_back() {
        for format in ExportFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert!("HEX".parse::<ExportFormat>().is_err());
    }
}
