//! Rows as JSON or CSV, piece by piece.

use std::borrow::Cow;
use std::fmt::Write;

use super::question::Form;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
    /// Billionths of a dollar, shown in dollars.
    Dollars(i64),
    Nothing,
}

/// Writes rows of the same columns.
pub(super) struct Table {
    form: Form,
    columns: Vec<String>,
    rows: u64,
    text: String,
}

impl Table {
    /// Begins with its head, which in JSON has `about` in it: members of an object.
    pub(super) fn new(form: Form, columns: Vec<String>, about: &str) -> Self {
        let mut text = String::new();
        match form {
            Form::Json => {
                let _ = write!(text, "{{{about},\"rows\":[");
            }
            Form::Csv => {
                let cells: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
                let _ = write!(text, "{}\r\n", cells.join(","));
            }
        }
        Self {
            form,
            columns,
            rows: 0,
            text,
        }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, cells: &[Cell]) {
        match self.form {
            Form::Json => self.add_json(cells),
            Form::Csv => {
                for (place, cell) in cells.iter().enumerate() {
                    if place > 0 {
                        self.text.push(',');
                    }
                    match cell {
                        Cell::Text(text) => self.text.push_str(&quoted(text)),
                        // Writing to a String cannot fail.
                        Cell::Number(number) => drop(write!(self.text, "{number}")),
                        Cell::Dollars(nano) => self.text.push_str(&dollars(*nano)),
                        Cell::Nothing => {}
                    }
                }
                self.text.push_str("\r\n");
            }
        }
        self.rows += 1;
    }

    fn add_json(&mut self, cells: &[Cell]) {
        self.text
            .push_str(if self.rows > 0 { ",\n{" } else { "\n{" });
        for (place, (name, cell)) in self.columns.iter().zip(cells).enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            let _ = write!(self.text, "{}:", string(name));
            match cell {
                Cell::Text(text) => self.text.push_str(&string(text)),
                Cell::Number(number) => drop(write!(self.text, "{number}")),
                Cell::Dollars(nano) => drop(write!(self.text, "\"{}\"", dollars(*nano))),
                Cell::Nothing => self.text.push_str("null"),
            }
        }
        self.text.push('}');
    }

    /// How many rows there were.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends it; whether that is all there is.
    pub(super) fn end(&mut self, complete: bool) {
        match (self.form, complete) {
            (Form::Json, _) => drop(write!(self.text, "],\"complete\":{complete}}}")),
            (Form::Csv, true) => {}
            (Form::Csv, false) => self.text.push_str("(there are more rows)\r\n"),
        }
    }

    /// How much waits to be taken.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// What waits.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

/// A text of JSON.
pub(super) fn string(text: &str) -> String {
    // A text can always be written.
    serde_json::to_string(text).unwrap_or_default()
}

/// A text as a cell of CSV. What a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let special =
        text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ');
    match (formula, special) {
        (false, false) => Cow::Borrowed(text),
        (true, false) => Cow::Owned(format!("'{text}")),
        (formula, true) => {
            let guard = if formula { "'" } else { "" };
            Cow::Owned(format!("\"{guard}{}\"", text.replace('"', "\"\"")))
        }
    }
}

/// Billionths of a dollar as dollars, exactly.
pub(super) fn dollars(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let nano = nano.unsigned_abs();
    format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact() {
        for (nano, shown) in [
            (0, "0.000000000"),
            (1, "0.000000001"),
            (-1_500_000_000, "-1.500000000"),
            (i64::MAX, "9223372036.854775807"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(dollars(nano), shown);
        }
    }

    #[test]
    fn names_do_no_harm_in_a_spreadsheet() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1,2", "\"'+1,2\""),
            ("-x", "'-x"),
            ("@x", "'@x"),
            (" x", "\" x\""),
        ] {
            assert_eq!(quoted(text), cell);
        }
    }

    #[test]
    fn both_forms_hold_the_same() {
        let columns = || {
            vec![
                "account".to_owned(),
                "requests".to_owned(),
                "cost_usd".to_owned(),
            ]
        };
        let rows = [
            [
                Cell::Text("a\"b".to_owned()),
                Cell::Number(-2),
                Cell::Dollars(5),
            ],
            [Cell::Nothing, Cell::Number(0), Cell::Nothing],
        ];
        let mut json = Table::new(Form::Json, columns(), "\"x\":1");
        let mut csv = Table::new(Form::Csv, columns(), "\"x\":1");
        for row in &rows {
            json.add(row);
            csv.add(row);
        }
        json.end(true);
        csv.end(true);
        assert_eq!(
            json.take(),
            "{\"x\":1,\"rows\":[\n{\"account\":\"a\\\"b\",\"requests\":-2,\"cost_usd\":\"0.000000005\"},\n\
             {\"account\":null,\"requests\":0,\"cost_usd\":null}],\"complete\":true}"
        );
        assert_eq!(
            csv.take(),
            "account,requests,cost_usd\r\n\"a\"\"b\",-2,0.000000005\r\n,0,\r\n"
        );
    }
}
