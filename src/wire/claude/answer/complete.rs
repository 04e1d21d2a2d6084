//! Whether the JSON that came so far is a whole value, found out piece by piece.

/// Follows a JSON value that comes in pieces. Each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Completeness {
    depth: usize,
    in_string: bool,
    escaped: bool,
    complete: bool,
}

impl Completeness {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        self.complete |= self.depth == 0;
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether the value is whole. Of a number nobody can tell before its end is said.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first_complete(text: &str) -> Option<usize> {
        let mut value = Completeness::default();
        text.char_indices().find_map(|(at, character)| {
            value.push(character.encode_utf8(&mut [0; 4]));
            value.is_complete().then_some(at + character.len_utf8())
        })
    }

    #[test]
    fn a_value_is_complete_with_its_last_byte() {
        for text in [
            r#"{"a":"}\"\\"}"#,
            r#"[[],{"b":"]"}]"#,
            r#""x\"y""#,
            r#"{"s":"\ud83d\ude00"}"#,
        ] {
            assert_eq!(first_complete(text), Some(text.len()), "{text}");
        }
        assert_eq!(first_complete("12"), None);
        assert_eq!(first_complete(""), None);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in r#"[{}\[\]",:\\a]{0,30}"#, cut in 0_usize..30) {
            let cut = cut.min(text.len());
            let (mut whole, mut pieces) = (Completeness::default(), Completeness::default());
            whole.push(&text);
            pieces.push(&text[..cut]);
            pieces.push(&text[cut..]);
            prop_assert_eq!(whole.is_complete(), pieces.is_complete());
        }
    }
}
