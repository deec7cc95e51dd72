//! Everything the executor owns besides the data itself.

use crate::turn::Turn;

/// The node: what commands of the kind `Handler::Node` may reach.
#[derive(Debug)]
pub struct Node {}

/// The surroundings of a command that needs the node.
#[derive(Debug)]
pub struct NodeTurn<'a> {
    pub turn: Turn<'a>,
    pub node: &'a mut Node,
}
