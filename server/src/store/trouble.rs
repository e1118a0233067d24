//! What may go wrong in a database, told apart by what is to be done about it.

use diesel::result::{DatabaseErrorKind, Error as QueryError};

/// Why a transaction did not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It met another one: undone, and worth running anew at once.
    LostRace,
    /// The connection is gone, or leads to a server that takes no writes: another one may do.
    Disconnected,
    /// The database has more to do than it can, or no room: undone, and worth coming back for.
    Overloaded,
    /// Anything else: a defect, ours or the data's.
    Defect,
}

/// What [`Trouble`] an error is. Diesel tells a few conditions apart and for the others has only the server's English
/// text, so PostgreSQL must run with `lc_messages` C or en_US, as it does unless told otherwise.
pub(super) fn trouble(error: &anyhow::Error) -> Trouble {
    let Some(error) = error.downcast_ref::<QueryError>() else { return Trouble::Defect };
    match error {
        QueryError::BrokenTransactionManager => Trouble::Disconnected,
        QueryError::DatabaseError(kind, information) => {
            of_kind(kind).or_else(|| of_text(information.message())).unwrap_or(Trouble::Defect)
        }
        _ => Trouble::Defect,
    }
}

/// A unique violation counts as a lost race: it is how the loser of an insert learns of it, and the next run reads the
/// winner's row.
fn of_kind(kind: &DatabaseErrorKind) -> Option<Trouble> {
    match kind {
        DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation => {
            Some(Trouble::LostRace)
        }
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::ReadOnlyTransaction => Some(Trouble::Disconnected),
        _ => None,
    }
}

const TEXTS: [(&str, Trouble); 27] = [
    // How a statement that writes several tables says that one of them was not as it must be (`settlements.rs`).
    ("division by zero", Trouble::LostRace),
    ("deadlock detected", Trouble::LostRace),
    ("could not serialize access", Trouble::LostRace),
    // The server, or a proxy before it, goes away.
    ("terminating connection", Trouble::Disconnected),
    ("server closed the connection", Trouble::Disconnected),
    ("connection to server", Trouble::Disconnected),
    ("could not receive data", Trouble::Disconnected),
    ("could not send data", Trouble::Disconnected),
    ("no connection to the server", Trouble::Disconnected),
    ("SSL connection has been closed", Trouble::Disconnected),
    ("SSL SYSCALL error", Trouble::Disconnected),
    ("the database system is", Trouble::Disconnected),
    ("server conn crashed", Trouble::Disconnected),
    ("server login has been failing", Trouble::Disconnected),
    ("pgbouncer cannot connect", Trouble::Disconnected),
    ("server_login_retry", Trouble::Disconnected),
    ("client_idle_timeout", Trouble::Disconnected),
    // Time-outs and room.
    ("canceling statement due to", Trouble::Overloaded),
    ("idle-in-transaction timeout", Trouble::Overloaded),
    ("query_wait_timeout", Trouble::Overloaded),
    ("too many clients", Trouble::Overloaded),
    ("remaining connection slots", Trouble::Overloaded),
    ("No space left on device", Trouble::Overloaded),
    ("database is locked", Trouble::Overloaded),
    ("database or disk is full", Trouble::Overloaded),
    ("disk I/O error", Trouble::Overloaded),
    ("unable to open database file", Trouble::Overloaded),
];

fn of_text(text: &str) -> Option<Trouble> {
    TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, trouble)| *trouble)
}

/// What a compare-and-set must say: exactly one row, or somebody else was faster and the whole is run anew.
pub fn exactly_one(rows: usize) -> diesel::QueryResult<()> {
    match rows {
        1 => Ok(()),
        _ => Err(QueryError::DatabaseError(
            DatabaseErrorKind::SerializationFailure,
            Box::new("a compare-and-set did not hit exactly one row".to_owned()),
        )),
    }
}
