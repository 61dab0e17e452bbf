//! Client for the Secure Key Integration Protocol (SKIP, draft-cisco-skip-02).

mod bits;
mod error;
mod key_id;
mod secret;
mod system_id;

pub use bits::BitLength;
pub use error::{Advice, Error, ErrorCode, Result, Side};
pub use key_id::KeyId;
pub use secret::Secret;
pub use system_id::{SystemId, matches_remote};
