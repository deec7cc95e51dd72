//! Writing what the values hold: elements of collections and scores.

use base::number::format_double;
use wire::listpack::{Element, TextBuffer};
use wire::resp::reply::{Protocol, ReplyWriter};

/// A bulk string.
#[inline]
pub(crate) fn element(reply: &mut ReplyWriter<'_>, element: Element<'_>) {
    match element {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Integer(value) => reply.bulk_integer(value),
    }
}

/// A bulk string, or null.
pub(crate) fn element_or_null(reply: &mut ReplyWriter<'_>, found: Option<Element<'_>>) {
    match found {
        Some(found) => element(reply, found),
        None => reply.null(),
    }
}

/// A score, as a double.
pub(crate) fn score(reply: &mut ReplyWriter<'_>, score: f64) {
    reply.double_text(&format_double(score));
}

/// Room for the texts of many elements at a time.
#[derive(Default)]
pub(crate) struct Texts(Vec<TextBuffer>);

impl Texts {
    /// The texts of these elements, without a copy of those that are text already.
    pub(crate) fn of<'t>(
        &'t mut self,
        elements: impl ExactSizeIterator<Item = Element<'t>>,
    ) -> Vec<&'t [u8]> {
        if self.0.len() < elements.len() {
            self.0.resize_with(elements.len(), TextBuffer::default);
        }
        elements.zip(&mut self.0).map(|(element, buffer)| element.text(buffer)).collect()
    }
}

/// The header of `count` pairs: in RESP3 an array of arrays of two, in RESP2 one flat array. Before each pair
/// stands [`pair`].
pub(crate) fn pairs(reply: &mut ReplyWriter<'_>, count: usize) {
    match reply.protocol() {
        Protocol::Resp2 => reply.array(2 * count),
        Protocol::Resp3 => reply.array(count),
    }
}

/// The header of one pair inside [`pairs`].
pub(crate) fn pair(reply: &mut ReplyWriter<'_>) {
    if reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
}
