//! shim
use crate::chat::{Fault, Format};
/// shim
pub fn holds_foreign_state(_format: Format, _body: &[u8]) -> bool {
    false
}
/// shim
pub fn cleanse(_format: Format, _body: &[u8], _family: &str) -> Option<Vec<u8>> {
    None
}
/// shim
pub fn without_state(_format: Format, _body: &[u8]) -> Option<Vec<u8>> {
    None
}
/// shim
pub fn is_state_fault(_format: Format, _status: u16, _fault: &Fault) -> bool {
    false
}
