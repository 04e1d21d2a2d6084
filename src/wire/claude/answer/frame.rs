//! How one event is framed.

use crate::wire::json::{ObjectWriter, object};

/// Writes one event; its `type` comes first and is its name.
pub(super) fn event(name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    object(out, |o| {
        o.str("type", name);
        write(o);
    });
    // A provider's own JSON may have lines; data has one. Strings have them escaped.
    for byte in out.get_mut(start..).unwrap_or_default() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
}
