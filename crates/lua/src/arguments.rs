//! Arguments of functions, checked as Lua's own library does, with the same complaints.

use crate::number::truncate;
use crate::stack::{Kind, Raise, Stack};

impl Stack<'_> {
    fn type_error(&self, n: i32, expected: &str) -> Raise {
        self.argument_error(n, &format!("{expected} expected, got {}", self.kind(n).name()))
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number_argument(&self, n: i32) -> Result<f64, Raise> {
        self.number(n).ok_or_else(|| self.type_error(n, "number"))
    }

    /// A number without its fraction.
    pub(crate) fn integer_argument(&self, n: i32) -> Result<i64, Raise> {
        Ok(truncate(self.number_argument(n)?))
    }

    pub(crate) fn integer_argument_or(&self, n: i32, default: i64) -> Result<i64, Raise> {
        match self.kind(n) {
            Kind::None | Kind::Nil => Ok(default),
            _ => self.integer_argument(n),
        }
    }

    /// A string, or a number in the form of `tostring`.
    pub(crate) fn bytes_argument(&mut self, n: i32) -> Result<Vec<u8>, Raise> {
        match self.text(n) {
            Some(text) => Ok(text),
            None => Err(self.type_error(n, "string")),
        }
    }
}
