//! Whole agents in one process, against the development Key Providers.

mod attackers;
mod documents;
mod faults;
mod many;
mod operator;
mod pinned;
mod reload;
mod rig;
