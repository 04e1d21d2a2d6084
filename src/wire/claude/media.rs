//! What is said of media that cannot be carried.

/// How many bytes `base64` stands for.
pub(super) fn size(base64: &str) -> usize {
    let padding = base64
        .bytes()
        .rev()
        .take_while(|byte| *byte == b'=')
        .count();
    base64.len().saturating_sub(padding) * 3 / 4
}
