//! Users and those who are connected as them.
//!
//! Invariant: `Session::is_unrestricted` is that of `Session::user`, and `Session::is_authenticated` is true when the
//! session has logged in or the default user is open. Both follow every change of a user, here. A master of Redis
//! has no user, and is both.

use std::sync::Arc;

use catalog::CommandSpec;

use super::{Access, Context, Denial, Incident, Reason, User};
use crate::client::{ReplyMode, Session, Subscriptions};
use crate::client_list;
use crate::command::Args;
use crate::node::{Node, NodeTurn};

impl Session {
    /// Acts with the rights of `user` from now on.
    fn assume(&mut self, user: &Arc<User>) {
        self.user = Arc::clone(user);
        self.is_unrestricted = user.is_unrestricted();
    }

    /// Has proven to be `user`.
    pub(crate) fn log_in(&mut self, user: &Arc<User>) {
        self.assume(user);
        self.has_logged_in = true;
        self.is_authenticated = true;
    }

    /// Starts as every connection does: as the default user, logged in if that one needs no login.
    pub(crate) fn start_as_default(&mut self, access: &Access) {
        self.assume(access.default_user());
        self.has_logged_in = access.is_open();
        self.is_authenticated = self.has_logged_in;
    }

    /// Speaks for this node's master: no user, no answers, and everything is allowed.
    pub(crate) fn become_master(&mut self) {
        self.is_master = true;
        self.is_unrestricted = true;
        self.has_logged_in = true;
        self.is_authenticated = true;
        self.reply_mode = ReplyMode::Off;
    }

    /// Speaks for a file of Redis, as a master would.
    pub(crate) fn become_file(&mut self) {
        self.become_master();
        self.plays_file = true;
    }

    /// Speaks for the master that this node follows as a replica of Redis.
    pub(crate) fn is_upstream(&self) -> bool {
        self.is_master && !self.plays_file
    }

    /// Where a command of this client comes from, as far as the log of denials tells.
    pub(crate) fn context(&self) -> Context {
        let is_in_transaction = self.transaction.is_some() || self.runs_transaction;
        if is_in_transaction { Context::Multi } else { Context::Toplevel }
    }

    /// `Err` when the client may not run the command. Free of cost for who may do everything.
    #[inline]
    pub(crate) fn check(&self, spec: &CommandSpec, args: &Args<'_>) -> Result<(), Denial> {
        if self.is_unrestricted { Ok(()) } else { super::check(&self.user, spec, args) }
    }
}

impl Node {
    /// Counts and notes that `session` was denied a command.
    #[cold]
    pub(crate) fn note_denial(
        &mut self,
        session: &Session,
        context: Context,
        denial: Denial,
        spec: &CommandSpec,
        args: &Args<'_>,
    ) {
        let incident = Incident {
            reason: Reason::from(denial),
            context,
            object: denial.object(spec, args).to_vec(),
            username: session.user.name().to_vec(),
            client: self.client_info(session, args),
            at: self.now,
        };
        self.access.log.add(incident);
    }

    /// Counts and notes a login that failed.
    pub(crate) fn note_failed_login(&mut self, session: &Session, user: &[u8], args: &Args<'_>) {
        let incident = Incident {
            reason: Reason::Auth,
            context: session.context(),
            object: args.key(0).to_vec(),
            username: user.to_vec(),
            client: self.client_info(session, args),
            at: self.now,
        };
        self.access.log.add(incident);
    }

    fn client_info(&self, session: &Session, args: &Args<'_>) -> Vec<u8> {
        let mut line = client_list::line(session, self, false, args.request_bytes());
        line.truncate(line.len() - 1);
        line
    }
}

impl NodeTurn<'_> {
    /// Puts `user` in the place of the one with the same name, also for who is connected. Who listens to a channel that
    /// it may no longer is disconnected.
    pub(crate) fn replace_user(&mut self, user: User) {
        let user = Arc::new(user);
        let Some(old) = self.node.access.insert(Arc::clone(&user)) else { return };
        let narrows = user.narrows_channels(&old);
        let is_over = |session: &Session| {
            narrows && session.is_subscribed() && !may_listen(&user, &session.subscriptions)
        };
        let mut closed = Vec::new();
        for session in self.node.clients.iter_mut().filter(|it| Arc::ptr_eq(&it.user, &old)) {
            session.assume(&user);
            if is_over(session) {
                closed.push(session.token);
            }
        }
        let session = &mut *self.turn.session;
        if Arc::ptr_eq(&session.user, &old) {
            session.assume(&user);
            session.close_after_reply |= is_over(session);
        }
        closed.into_iter().for_each(|token| self.node.close(token));
        self.renew_logins();
    }

    /// Removes a user and disconnects who is connected as it; `false` when there is none to be removed.
    pub(crate) fn remove_user(&mut self, name: &[u8]) -> bool {
        let Some(old) = self.node.access.remove(name) else { return false };
        self.expel(&old);
        true
    }

    /// Puts `users`, one of them the default user, in the place of all that are there. Only who is connected as the
    /// default user stays connected.
    pub(crate) fn replace_all_users(&mut self, users: Vec<User>) {
        let names = self.node.access.users().map(|user| user.name().to_vec());
        for name in names.collect::<Vec<_>>() {
            self.remove_user(&name);
        }
        for user in users {
            self.replace_user(user);
        }
    }

    /// Disconnects who is connected as a user that is no more.
    fn expel(&mut self, old: &Arc<User>) {
        let default_user = Arc::clone(self.node.access.default_user());
        let leave = |session: &mut Session| {
            session.assume(&default_user);
            session.has_logged_in = false;
            session.is_authenticated = false;
        };
        let mut closed = Vec::new();
        for session in self.node.clients.iter_mut().filter(|it| Arc::ptr_eq(&it.user, old)) {
            leave(session);
            closed.push(session.token);
        }
        if Arc::ptr_eq(&self.turn.session.user, old) {
            leave(self.turn.session);
            self.turn.session.close_after_reply = true;
        }
        closed.into_iter().for_each(|token| self.node.close(token));
    }

    /// Who has not logged in is let in exactly as long as the default user is open.
    fn renew_logins(&mut self) {
        let is_open = self.node.access.is_open();
        let own = std::iter::once(&mut *self.turn.session);
        for session in self.node.clients.iter_mut().chain(own).filter(|it| !it.is_internal) {
            session.is_authenticated = session.has_logged_in || is_open;
        }
    }
}

/// Whether a user may listen to everything that a client listens to.
fn may_listen(user: &User, subscriptions: &Subscriptions) -> bool {
    let Subscriptions { channels, patterns, shard_channels } = subscriptions;
    let mut names = channels.iter().chain(shard_channels.iter());
    names.all(|name| user.allows_channel(name, false))
        && patterns.iter().all(|name| user.allows_channel(name, true))
}
