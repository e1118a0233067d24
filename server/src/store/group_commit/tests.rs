use std::sync::Barrier;
use std::time::Duration;

use diesel::prelude::*;
use wallet_core::refusal::Refusal;

use super::*;
use crate::store::Pooler;
use crate::store::schema::throttles;

fn writer(folder: &tempfile::TempDir) -> GroupCommit {
    let settings = Settings {
        url: format!("sqlite:{}", folder.path().join("db").display()),
        connections: 1,
        patience: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_secs(1),
        pooler: Pooler::None,
    };
    crate::store::Store::open(settings.clone()).unwrap().migrate().unwrap();
    GroupCommit::new(settings)
}

fn insert(conn: &mut Conn, subject: &str) -> Flow<()> {
    let row = (throttles::subject.eq(subject), throttles::window_start.eq(0), throttles::count.eq(1));
    diesel::insert_into(throttles::table).values(row).execute(conn)?;
    Ok(())
}

fn subjects(folder: &tempfile::TempDir) -> Vec<String> {
    let file = folder.path().join("db").display().to_string();
    let mut reader = diesel::SqliteConnection::establish(&file).unwrap();
    throttles::table.select(throttles::subject).order(throttles::subject).load(&mut reader).unwrap()
}

#[test]
fn what_was_answered_is_there_and_what_was_refused_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder);
    let barrier = Barrier::new(16);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (writer, barrier, folder) = (&writer, &barrier, &folder);
            scope.spawn(move || {
                barrier.wait();
                let subject = format!("{number:02}");
                let outcome = writer.write(|conn| {
                    insert(conn, &subject)?;
                    if number % 2 == 0 { Ok(()) } else { Err(Refusal::NotFound.into()) }
                });
                assert_eq!(outcome.is_ok(), number % 2 == 0);
                assert_eq!(subjects(folder).contains(&subject), number % 2 == 0);
            });
        }
    });
    assert_eq!(subjects(&folder).len(), 8);
}

#[test]
fn a_panic_undoes_its_own_and_nobody_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (writer, barrier) = (&writer, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
                    writer.write(|conn| {
                        insert(conn, &format!("{number}"))?;
                        assert!(number != 3, "as the test wants it");
                        Ok(())
                    })
                }));
                assert_eq!(outcome.is_err(), number == 3);
            });
        }
    });
    assert_eq!(subjects(&folder), ["0", "1", "2", "4", "5", "6", "7"]);
}

#[test]
fn a_failed_statement_spoils_its_own_transaction_only() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder);
    writer.write(|conn| insert(conn, "one")).unwrap();
    assert!(writer.write(|conn| insert(conn, "one")).is_err());
    writer.write(|conn| insert(conn, "two")).unwrap();
    assert_eq!(subjects(&folder), ["one", "two"]);
}
