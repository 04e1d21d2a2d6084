//! Writing JSON without building it: members and elements go straight into the output.

use super::quote_into;
use crate::chat::LazyStr;

/// Writes an object: `object(out, |o| { o.str("type", "text"); })`.
pub fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    write(&mut ObjectWriter { out, first: true });
    out.push(b'}');
}

/// Appends a whole number.
pub fn number_into(out: &mut Vec<u8>, value: impl Into<i128>) {
    let value = value.into();
    let Ok(mut rest) = u64::try_from(value) else {
        return out.extend_from_slice(value.to_string().as_bytes());
    };
    // From the last digit to the first.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// Writes members behind those of an object that was begun, which has some.
pub fn members_into(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    write(&mut ObjectWriter { out, first: false });
}

/// Writes an array.
pub fn array(out: &mut Vec<u8>, write: impl FnOnce(&mut ArrayWriter<'_>)) {
    out.push(b'[');
    write(&mut ArrayWriter { out, first: true });
    out.push(b']');
}

/// Writes the members of one object.
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl ObjectWriter<'_> {
    /// Writes a key; the caller appends exactly one value.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        quote_into(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A string.
    pub fn str(&mut self, key: &str, value: &str) {
        quote_into(self.key(key), value);
    }

    /// A string that may stand as it was read.
    pub fn text(&mut self, key: &str, value: &LazyStr<'_>) {
        let out = self.key(key);
        match value.raw() {
            Some(raw) => {
                out.push(b'"');
                out.extend_from_slice(raw.as_bytes());
                out.push(b'"');
            }
            None => quote_into(out, value),
        }
    }

    /// A string, if there is one.
    pub fn opt_str(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.str(key, value);
        }
    }

    /// A string or `null`.
    pub fn str_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.str(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key).extend_from_slice(json.as_bytes());
    }

    /// A value that is JSON already, if there is one.
    pub fn opt_raw(&mut self, key: &str, json: Option<&str>) {
        if let Some(json) = json {
            self.raw(key, json);
        }
    }

    /// A whole number.
    pub fn num(&mut self, key: &str, value: impl Into<i128>) {
        number_into(self.key(key), value);
    }

    /// A whole number, if there is one.
    pub fn opt_num(&mut self, key: &str, value: Option<impl Into<i128>>) {
        if let Some(value) = value {
            self.num(key, value);
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// `true` or `false`, if it is known.
    pub fn opt_bool(&mut self, key: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.bool(key, value);
        }
    }

    /// An object.
    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        object(self.key(key), write);
    }

    /// An array.
    pub fn array(&mut self, key: &str, write: impl FnOnce(&mut ArrayWriter<'_>)) {
        array(self.key(key), write);
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.first
    }
}

/// Writes the elements of one array.
pub struct ArrayWriter<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl ArrayWriter<'_> {
    /// Begins an element; the caller appends exactly one value.
    pub fn element(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out
    }

    /// A string.
    pub fn str(&mut self, value: &str) {
        quote_into(self.element(), value);
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.element().extend_from_slice(json.as_bytes());
    }

    /// An object.
    pub fn object(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        object(self.element(), write);
    }

    /// An array.
    pub fn array(&mut self, write: impl FnOnce(&mut ArrayWriter<'_>)) {
        array(self.element(), write);
    }

    /// An object, unless `write` says that it is to be none after all. Gives what it says.
    pub fn object_if(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>) -> bool) -> bool {
        let (length, first) = (self.out.len(), self.first);
        let mut stays = false;
        self.object(|o| stays = write(o));
        if !stays {
            self.out.truncate(length);
            self.first = first;
        }
        stays
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written() {
        for number in [0, 7, 10, 1_234_567_890, i128::from(u64::MAX), -5, i128::MAX] {
            let mut out = Vec::new();
            number_into(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn commas_stand_between() {
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.str("a\"", "x\n\u{1}");
            o.opt_str("no", None);
            o.num("n", -3_i64);
            o.object("o", |o| {
                assert!(o.is_empty());
                o.bool("t", true);
            });
            o.array("l", |a| {
                a.str("1");
                a.raw("2.0");
                a.object(|_| {});
                a.array(|a| a.str("é"));
                assert!(!a.object_if(|o| {
                    o.bool("gone", true);
                    false
                }));
            });
            o.array("none", |a| {
                a.object_if(|_| false);
                assert!(a.is_empty());
                assert!(a.object_if(|o| o.is_empty()));
            });
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a\"":"x\n\u0001","n":-3,"o":{"t":true},"l":["1",2.0,{},["é"]],"none":[{}]}"#
        );
    }
}
