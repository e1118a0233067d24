//! Judging books by their records alone: in which order packs were drawn, how statements were paid, and why each transaction of the
//! ledger is there. Own code, beside the pure rules of this module; nothing that writes bills is asked.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::StatementId;
use wallet_core::money::Micros;

use super::arrears::{ArrearsError, OwedFrom, late_fee};
use super::posting::Balanced;

/// Uses are written by several replicas at once, and each notes the time a moment before it commits. Which of two packs must be drawn is
/// certain only where nothing happened for so long on either side.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// A pack, as far as the order of drawing goes.
#[derive(Debug, Clone)]
pub struct Stock {
    /// Which.
    pub id: String,
    /// Of what.
    pub service: String,
    /// How many it began with.
    pub units: i64,
    /// When it came to be.
    pub granted_at: Timestamp,
    /// From when until before when it may be drawn from.
    pub window: (Timestamp, Timestamp),
    /// When what was left became void.
    pub voided_at: Option<Timestamp>,
}

/// A use, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its charge.
    pub charge: String,
    /// Of what.
    pub service: String,
    /// The pack that it was drawn from.
    pub pack: Option<String>,
    /// When it was submitted, which decides about validity.
    pub submitted_at: Timestamp,
    /// When it was charged.
    pub charged_at: Timestamp,
}

/// A use that was charged elsewhere while this pack came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The charge.
    pub charge: String,
    /// The pack that had units left.
    pub pack: String,
    /// What was drawn instead.
    pub instead: Option<String>,
}

/// Looks whether packs are drawn by their expiry. In the memory of the packs, and of the uses of [`TOLERANCE`].
#[derive(Debug)]
pub struct DrawOrder {
    /// By expiry, then id.
    packs: Vec<(Stock, i64)>,
    waiting: VecDeque<Use>,
}

impl DrawOrder {
    /// Over all packs of a relying party.
    pub fn new(mut packs: Vec<Stock>) -> DrawOrder {
        packs.sort_by(|one, other| (one.window.1, &one.id).cmp(&(other.window.1, &other.id)));
        let packs = packs.into_iter().map(|pack| (pack.units, pack)).map(|(units, pack)| (pack, units));
        DrawOrder { packs: packs.collect(), waiting: VecDeque::new() }
    }

    /// The next use. Tells of earlier ones, which can be judged by now.
    pub fn add(&mut self, next: Use) -> Vec<PassedOver> {
        let mut found = Vec::new();
        while let Some(first) = self.waiting.pop_front_if(|first| certain(first) < next.charged_at) {
            found.extend(self.judge(&first));
        }
        let pack = next.pack.as_ref();
        if let Some((_, left)) = self.packs.iter_mut().find(|(stock, _)| Some(&stock.id) == pack) {
            *left -= 1;
        }
        self.waiting.push_back(next);
        found
    }

    /// There are no more.
    pub fn finish(mut self) -> Vec<PassedOver> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().filter_map(|last| self.judge(last)).collect()
    }

    /// By now the units are counted that were drawn until [`TOLERANCE`] after it: what is left then was left all the time.
    fn judge(&self, judged: &Use) -> Option<PassedOver> {
        let since = judged.charged_at.saturating_sub(TOLERANCE).unwrap_or(Timestamp::MIN);
        let earlier = self.packs.iter().take_while(|(stock, _)| Some(&stock.id) != judged.pack.as_ref());
        let mut passed = earlier.filter(|(stock, left)| {
            *left > 0
                && stock.service == judged.service
                && stock.granted_at < since
                && stock.window.0 <= judged.submitted_at
                && judged.submitted_at < stock.window.1
                && stock.voided_at.is_none_or(|voided| voided > certain(judged))
        });
        let (stock, _) = passed.next()?;
        Some(PassedOver {
            charge: judged.charge.clone(),
            pack: stock.id.clone(),
            instead: judged.pack.clone(),
        })
    }
}

fn certain(judged: &Use) -> Timestamp {
    judged.charged_at.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX)
}

/// A statement, and what was paid of it.
#[derive(Debug, Clone)]
pub struct Debt {
    /// Which.
    pub id: StatementId,
    /// Its name sorts by time: of two that were made at once, the earlier is paid first.
    pub period: String,
    /// When it was made, and due.
    pub due: Timestamp,
    /// What it is.
    pub micros: Micros,
    /// What was paid when, the earliest first.
    pub payments: Vec<(Timestamp, Micros)>,
}

/// What the payments of a statement come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What was paid of it.
    pub paid: Micros,
    /// When the last of it was; `None` while any is owed, and of one that is nothing.
    pub settled_at: Option<Timestamp>,
    /// The late fee, which the last payment fixes.
    pub late_fee: Micros,
}

impl Debt {
    /// What its payments come to.
    ///
    /// # Errors
    /// When more was paid than was owed, or a sum is out of range.
    pub fn settled(&self, zone: &TimeZone) -> Result<Settled, ArrearsError> {
        let mut owed = vec![OwedFrom { from: self.due, micros: self.micros }];
        let (mut left, mut settled_at) = (self.micros, None);
        for (at, paid) in &self.payments {
            left = left.minus(*paid)?;
            owed.push(OwedFrom { from: *at, micros: left });
            settled_at = (left == Micros::ZERO).then_some(*at);
        }
        if left.is_negative() {
            return Err(ArrearsError::Negative);
        }
        let fee = match settled_at {
            Some(at) => late_fee(&owed, self.due, at, zone)?,
            None => Micros::ZERO,
        };
        Ok(Settled { paid: self.micros.minus(left)?, settled_at, late_fee: fee })
    }
}

/// Statements of which something was paid while an older one was owed.
pub fn out_of_order(debts: &[Debt]) -> Vec<StatementId> {
    let mut sorted: Vec<&Debt> = debts.iter().filter(|debt| debt.micros > Micros::ZERO).collect();
    sorted.sort_by_key(|debt| (debt.due, &debt.period));
    let (mut all_paid_at, mut found) = (Timestamp::MIN, Vec::new());
    for debt in sorted {
        if debt.payments.first().is_some_and(|(at, _)| *at < all_paid_at) {
            found.push(debt.id);
        }
        let left = debt.payments.iter().fold(debt.micros.get(), |left, (_, paid)| left - paid.get());
        let whole = debt.payments.last().filter(|_| left <= 0).map_or(Timestamp::MAX, |(at, _)| *at);
        all_paid_at = all_paid_at.max(whole);
    }
    found
}

/// A transaction without its name: kind, moment in microseconds, lines by account, unit and amount, in their order.
pub type Shape = (String, Option<i64>, Vec<(String, String, i64)>);

/// What should stand in the ledger, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What it is for: the id of a payment, an order, a statement, a pack.
    pub object: String,
    /// What should be posted.
    pub shape: Shape,
}

/// Every transaction that should be there but for uses: by its id where a row names it, else by what it says.
#[derive(Debug, Default)]
pub struct Causes {
    named: HashMap<String, Cause>,
    told: BTreeMap<Shape, Vec<Cause>>,
}

/// The lines of a transaction, in an order that does not depend on who wrote them.
pub fn lines(balanced: &Balanced) -> Vec<(String, String, i64)> {
    let line = |posting: &super::posting::Posting| {
        (posting.account.to_string(), posting.unit().code().to_owned(), posting.micros.get())
    };
    let mut lines: Vec<_> = balanced.postings().iter().map(line).collect();
    lines.sort();
    lines
}

impl Causes {
    /// A transaction that a row names.
    pub fn name(&mut self, transaction: &str, cause: Cause) {
        self.named.insert(transaction.to_owned(), cause);
    }

    /// A transaction that no row names.
    pub fn tell(&mut self, cause: Cause) {
        self.told.entry(cause.shape.clone()).or_default().push(cause);
    }

    /// The cause of a transaction that is there, which is not the cause of another one then.
    pub fn take(&mut self, transaction: &str, shape: &Shape) -> Option<Cause> {
        if let Some(cause) = self.named.remove(transaction) {
            return Some(cause);
        }
        self.told.get_mut(shape)?.pop()
    }

    /// Those of which no transaction is there.
    pub fn rest(self) -> Vec<Cause> {
        self.named.into_values().chain(self.told.into_values().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stock(id: &str, units: i64, expires: i64) -> Stock {
        Stock {
            id: id.to_owned(),
            service: "face.compare".to_owned(),
            units,
            granted_at: at(0),
            window: (at(0), at(expires)),
            voided_at: None,
        }
    }

    fn passed_over(packs: &[Stock], uses: &[(Option<&str>, i64)]) -> Vec<String> {
        let mut order = DrawOrder::new(packs.to_vec());
        let mut found = Vec::new();
        for (number, (pack, second)) in uses.iter().enumerate() {
            let (submitted_at, charged_at) = (at(*second), at(*second));
            let (pack, service) = (pack.map(str::to_owned), "face.compare".to_owned());
            found.extend(order.add(Use {
                charge: number.to_string(),
                service,
                pack,
                submitted_at,
                charged_at,
            }));
        }
        found.extend(order.finish());
        found.into_iter().map(|passed| passed.charge).collect()
    }

    #[test]
    fn a_unit_is_drawn_from_the_pack_that_expires_first_but_for_two_seconds() {
        let packs = [stock("late", 9, 200), stock("early", 2, 100)];
        let (early, late) = (Some("early"), Some("late"));
        assert_eq!(passed_over(&packs, &[(early, 10), (early, 20), (late, 30), (late, 40)]), [""; 0]);
        assert_eq!(passed_over(&packs, &[(early, 10), (late, 30), (early, 31)]), [""; 0]);
        assert_eq!(passed_over(&packs, &[(late, 10), (early, 30), (early, 40)]), ["0"]);
        assert_eq!(passed_over(&packs, &[(early, 10), (early, 20), (None, 50)]), ["2"]);
        assert_eq!(passed_over(&packs, &[(None, 1), (None, 250)]), [""; 0]);
    }

    #[test]
    fn an_older_statement_is_paid_before_a_newer_one() {
        let debt = |number: u128, payments: &[(i64, i64)]| Debt {
            id: StatementId::from_bytes(number.to_be_bytes()),
            period: number.to_string(),
            due: at(i64::try_from(number).unwrap()),
            micros: Micros::new(10),
            payments: payments.iter().map(|(second, micros)| (at(*second), Micros::new(*micros))).collect(),
        };
        let good = [debt(1, &[(5, 4), (9, 6)]), debt(2, &[(9, 10)]), debt(3, &[])];
        assert_eq!(out_of_order(&good), []);
        let bad = [debt(1, &[(5, 4)]), debt(2, &[(9, 10)])];
        assert_eq!(out_of_order(&bad), [bad[1].id]);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let settled = good[0].settled(&zone).unwrap();
        assert_eq!((settled.paid, settled.settled_at), (Micros::new(10), Some(at(9))));
        assert!(debt(1, &[(5, 11)]).settled(&zone).is_err());
    }
}
