use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::prelude::*;

use super::*;
use crate::store::schema::throttles;
use crate::store::{Pooler, Settings};

fn store(folder: &tempfile::TempDir, patience: Duration) -> Store {
    let settings = Settings {
        url: format!("sqlite:{}", folder.path().join("db").display()),
        connections: 2,
        patience,
        statement_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_secs(1),
        pooler: Pooler::None,
    };
    let store = Store::open(settings).unwrap();
    store.migrate().unwrap();
    store
}

/// Writes a row for each number, answers with its square; 13 is not accepted, and 99 not survived.
fn squares(conn: &mut Conn, numbers: &[i64]) -> QueryResult<Vec<i64>> {
    for number in numbers {
        assert_ne!(*number, 99, "nobody survives this");
        let row = (throttles::subject.eq("n"), throttles::window_start.eq(number), throttles::count.eq(1));
        diesel::insert_into(throttles::table).values(row).execute(conn)?;
        if *number == 13 {
            return Err(diesel::result::Error::NotFound);
        }
    }
    std::thread::sleep(Duration::from_millis(5));
    Ok(numbers.iter().map(|number| number * number).collect())
}

fn numbers(store: &Store) -> Vec<i64> {
    let stored = |conn: &mut Conn| {
        Ok(throttles::table.select(throttles::window_start).order(throttles::window_start).load(conn)?)
    };
    store.read(stored).unwrap()
}

/// What each of `range` takes home when all join at once.
fn all_at_once(round: &Round<i64, i64>, range: std::ops::Range<i64>) -> Vec<Option<Flow<i64>>> {
    let barrier = Barrier::new(range.clone().count());
    std::thread::scope(|scope| {
        let joins: Vec<_> = range
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    round.join(number)
                })
            })
            .collect();
        joins.into_iter().map(|join| join.join().ok()).collect()
    })
}

#[test]
fn each_takes_its_own_home_and_what_one_does_wrong_is_its_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, Duration::from_secs(5));
    let round = Round::new(&store, Kind::Write, squares);
    for (number, outcome) in (0..24).zip(all_at_once(&round, 0..24)) {
        match outcome.unwrap() {
            Ok(square) => assert_eq!(square, number * number),
            Err(stop) => assert!(number == 13 && matches!(stop, Stop::Broken(_)), "{number}"),
        }
    }
    assert_eq!(numbers(&store), (0..24).filter(|number| *number != 13).collect::<Vec<_>>());
}

#[test]
fn a_panic_ends_its_round_and_the_next_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, Duration::from_secs(5));
    let round = Round::new(&store, Kind::Write, squares);
    let outcomes = all_at_once(&round, 90..110);
    assert!(outcomes.iter().any(Option::is_none), "somebody led the round that panicked");
    assert_eq!(round.join(7).ok(), Some(49));
}

#[test]
fn whoever_waits_too_long_is_told_to_come_again_and_leaves_nothing_behind() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    fn slow(_: &mut Conn, items: &[i64]) -> QueryResult<Vec<i64>> {
        STARTED.fetch_add(items.len(), Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        Ok(items.to_vec())
    }
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, Duration::from_millis(100));
    let round = Round::new(&store, Kind::Write, slow);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| round.join(1));
        while STARTED.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert!(matches!(round.join(2), Err(Stop::Refused(_))), "it waited longer than its patience");
        assert!(matches!(first.join(), Ok(Ok(1))));
    });
    assert_eq!(STARTED.load(Ordering::SeqCst), 1, "who gave up was not taken along");
    assert_eq!(round.join(3).ok(), Some(3));
}
