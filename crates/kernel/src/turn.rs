//! What a command sees while it runs.

use wire::resp::reply::ReplyWriter;

use crate::client::Session;
use crate::keyspace::Keyspace;

/// The surroundings of one command. The fields are apart so that a value can be borrowed from
/// `keys` while it is written to `reply`.
#[derive(Debug)]
pub struct Turn<'a> {
    pub keys: &'a mut Keyspace,
    pub reply: ReplyWriter<'a>,
    pub session: &'a mut Session,
}
