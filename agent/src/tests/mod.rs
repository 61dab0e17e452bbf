//! Whole agents in one process, against the development Key Providers.

mod attackers;
mod faults;
mod many;
mod reload;
mod rig;
