//! The demo: a real `ecert serve` with an empty database, and three HTTP clients who act as holder, relying party and
//! admin on real photographs.

mod report;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use ecert_server::edge::clock::SystemClock;
use image::{GrayImage, Luma};
use jiff::Timestamp;
use serde_json::Value;
use wallet_core::attributes::Share;
use wallet_core::code::qr::Symbol;
use wallet_core::receipt::Receipt;

use crate::clients::{Admin, Answer, Holder, RelyingParty, fresh_key, root, text};
use crate::samples::{Samples, variants};
use crate::service::Service;
use crate::specimen::Specimen;
use report::Report;

/// Pixels a module in the picture of a QR.
const MODULE: u32 = 6;
/// Modules of white around a QR (ISO/IEC 18004, §9.1).
const QUIET_ZONE: u32 = 4;

struct Cast {
    samples: Samples,
    holder: Holder,
    shop: RelyingParty,
    admin: Admin,
    root: Vec<u8>,
    /// Receipts given so far.
    receipts: Vec<String>,
}

/// Walks through the main job; whether every step went as it must.
pub async fn walk() -> anyhow::Result<bool> {
    let samples = Samples::open()?;
    let folder = tempfile::tempdir()?;
    let service = Service::start_in(folder.path())?;
    println!("a service with an empty database listens at {}\n", service.base);
    service.command(&["register", "add", &Specimen::franck().name, &Specimen::franck().number])?;
    let admin: Value = serde_json::from_str(&service.command(&[
        "admin", "add", "--name", "demo", "--role", "operator", "--role", "finance", "--json",
    ])?)?;
    let admin = Admin::new(&service.base, &text(&admin, "/token")?);
    let shop = admin.admit("Corner Shop", &["over_18", "name"]).await?;
    let holder = Holder::new(&service.base, Arc::new(SystemClock));
    let root = root(&holder.issuer().await?)?;
    let mut cast = Cast { samples, holder, shop, admin, root, receipts: Vec::new() };
    let mut report = Report::default();

    enrol(&mut cast, &mut report).await?;
    pass(&mut cast, &mut report).await?;
    be_refused(&mut cast, &mut report).await?;
    repeat(&mut cast, &mut report).await?;
    revoke(&mut cast, &mut report).await?;
    check_money(&cast, &mut report).await?;

    report.print();
    Ok(report.all_right())
}

fn frames(cast: &Cast, from: usize, to: usize) -> Vec<Vec<u8>> {
    cast.samples.franck_frames().iter().skip(from).take(to - from).cloned().collect()
}

async fn charges(admin: &Admin) -> anyhow::Result<i64> {
    admin.ledger().await?.expect_status(200)?["transactions"].as_i64().context("no count of transactions")
}

async fn enrol(cast: &mut Cast, report: &mut Report) -> anyhow::Result<()> {
    let photos = Specimen::franck().photographed(&cast.samples)?;
    let begun = Instant::now();
    cast.holder.start().await?;
    let read = cast.holder.submit_document(&photos).await?.expect_status(200)?;
    println!("holder sees what was read from the card: {}\n", read["fields"]);
    let nonce = cast.holder.confirm().await?;
    let issued = cast.holder.submit_capture(&nonce, &frames(cast, 0, 6)).await?.expect_status(200)?;
    let seen = format!("{} {}", text(&issued, "/state")?, text(&issued, "/assurance_level")?);
    cast.holder.issued = issued;
    cast.holder.refill().await?;
    println!("holder has the E-cert {}\n", cast.holder.certificate()?);
    report.row("enrol: card + six frames", "approved IAL2", &seen, begun, charges(&cast.admin).await?);
    Ok(())
}

/// What the relying party sees of a judgement.
fn judged(cast: &mut Cast, answer: &Answer) -> String {
    if let Some(receipt) = answer.body["receipt"].as_str() {
        cast.receipts.push(receipt.to_owned());
    }
    if answer.status != 200 {
        return answer.refusal();
    }
    let score = &answer.body["judgement"]["comparison_score"];
    println!(
        "shop sees {} at score {score}, attributes {}",
        answer.body["outcome"], answer.body["attributes"]
    );
    answer.body["outcome"].as_str().unwrap_or("-").to_owned()
}

async fn pass(cast: &mut Cast, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    let code = cast.holder.qr(Share::Name)?;
    let symbol = Symbol::of(&code)?;
    println!("holder's phone shows (QR version {}):\n\n{}\n", symbol.version(), symbol.to_terminal());
    let scanned = scan(&symbol)?;
    ensure!(scanned == code, "the QR decoded from its picture is another text");
    let answer = cast.shop.visit(&scanned, &frames(cast, 6, 9)).await?;
    let seen = judged(cast, &answer);
    report.row("redeem by QR, other frames", "passed", &seen, begun, charges(&cast.admin).await?);

    let begun = Instant::now();
    let digits = cast.holder.digits("over_18").await?;
    println!("holder reads out {digits}");
    let answer = cast.shop.visit(&digits, &frames(cast, 8, 11)).await?;
    let seen = judged(cast, &answer);
    report.row("redeem by 16 digits", "passed", &seen, begun, charges(&cast.admin).await?);
    Ok(())
}

/// Paints the QR as a picture and reads it back with a decoder, as a scanner's camera does.
fn scan(symbol: &Symbol) -> anyhow::Result<String> {
    let modules = symbol.modules();
    let side = (u32::try_from(modules.len())? + 2 * QUIET_ZONE) * MODULE;
    let dark = |at: u32| (at / MODULE).checked_sub(QUIET_ZONE).and_then(|place| usize::try_from(place).ok());
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let module = dark(y).and_then(|row| modules.get(row)?.get(dark(x)?).copied());
        Luma([if module == Some(true) { 0 } else { 255 }])
    });
    let mut decoder = quircs::Quirc::default();
    let side = usize::try_from(side)?;
    let code = decoder.identify(side, side, &picture).next().context("no QR in its picture")??;
    Ok(String::from_utf8(code.decode()?.payload)?)
}

async fn be_refused(cast: &mut Cast, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    let stolen = cast.holder.qr(Share::Name)?;
    let astronaut = variants(cast.samples.astronaut(), 3)?;
    let answer = cast.shop.visit(&stolen, &astronaut).await?;
    let seen = judged(cast, &answer);
    report.row("the astronaut, stolen code", "failed", &seen, begun, charges(&cast.admin).await?);

    let begun = Instant::now();
    let code = cast.holder.qr(Share::Name)?;
    let landscape = variants(cast.samples.landscape(), 2)?;
    let answer = cast.shop.visit(&code, &landscape).await?;
    let seen = judged(cast, &answer);
    report.row("a landscape", "422 capture-unusable/no-face", &seen, begun, charges(&cast.admin).await?);

    let begun = Instant::now();
    let seen = cast.shop.redeem(&code).await?.refusal();
    report.row("the same code again", "409 code-already-redeemed", &seen, begun, charges(&cast.admin).await?);
    Ok(())
}

async fn repeat(cast: &mut Cast, report: &mut Report) -> anyhow::Result<()> {
    let (open, key) = (cast.shop.open(&cast.holder.qr(Share::Name)?).await?, fresh_key());
    let begun = Instant::now();
    let first = cast.shop.judge_with(&open, &frames(cast, 6, 9), &key).await?;
    let seen = judged(cast, &first);
    report.row("redeem, under a key", "passed", &seen, begun, charges(&cast.admin).await?);

    let begun = Instant::now();
    let again = cast.shop.judge_with(&open, &frames(cast, 6, 9), &key).await?;
    let same = if again.body == first.body { "the same answer" } else { "another answer" };
    report.row("the same key again", "the same answer", same, begun, charges(&cast.admin).await?);

    let begun = Instant::now();
    let other = cast.shop.judge_with(&open, &frames(cast, 8, 11), &key).await?.refusal();
    let expected = "422 idempotency-key-reused";
    report.row("the same key, other frames", expected, &other, begun, charges(&cast.admin).await?);
    Ok(())
}

async fn revoke(cast: &mut Cast, report: &mut Report) -> anyhow::Result<()> {
    let code = cast.holder.qr(Share::Name)?;
    let begun = Instant::now();
    cast.admin.revoke(&cast.holder.certificate()?, "stolen-device").await?.expect_status(204)?;
    let seen = cast.shop.redeem(&code).await?.refusal();
    let within = begun.elapsed().as_millis() < 1000;
    let seen = if within { seen } else { format!("{seen}, but later than a second") };
    report.row("revoked by the admin", "410 certificate-revoked", &seen, begun, charges(&cast.admin).await?);
    Ok(())
}

async fn check_money(cast: &Cast, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut micros = 0;
    for receipt in &cast.receipts {
        let receipt = Receipt::verify(receipt, &cast.root, Timestamp::now())?;
        micros += receipt.charge.map_or(0, |charge| charge.amount.micros.get());
    }
    let seen = format!("{} receipts hold, {micros} micro-yuan", cast.receipts.len());
    let charged = charges(&cast.admin).await?;
    report.row("receipts, verified offline", "5 receipts hold, 4000000 micro-yuan", &seen, begun, charged);

    let begun = Instant::now();
    let ledger = cast.admin.ledger().await?.expect_status(200)?;
    println!("\nadmin sees the ledger: {}\n", ledger["accounts"]);
    let earned = &ledger["accounts"]["revenue:ecert.redeem"];
    let seen = format!("sum {}, revenue {earned}", ledger["sum_micros"]);
    report.row("the ledger", "sum 0, revenue -4000000", &seen, begun, charged);
    Ok(())
}
