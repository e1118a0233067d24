//! A statement on paper: what it says, to a reader that shares no code with what wrote it.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};
use ecert_server::edge::print::{Bill, BilledPack, Language, Press};
use ecert_server::flow::statements;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::RelyingParty;
use ecert_tests::clients::buying::yuan;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use wallet_core::ids::{PackId, RelyingPartyId, StatementId};
use wallet_core::money::{Amount, Currency, Micros};
use wallet_core::statement::{Item, Statement};

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

/// What pypdf reads.
#[derive(Debug, Deserialize)]
struct Paper {
    pages: Vec<String>,
    title: String,
    language: String,
    marked: bool,
    pdfa: Option<String>,
    pdfua: Option<String>,
    structure: BTreeMap<String, u64>,
    headings: Vec<String>,
    outline: Vec<String>,
    fonts: Vec<String>,
    attachments: BTreeMap<String, String>,
}

/// The paper as pypdf reads it, if its environment is there.
fn read(pdf: &[u8]) -> anyhow::Result<Option<Paper>> {
    let Some(python) = std::env::var_os("ECERT_PDF_PYTHON") else {
        eprintln!("left out: no ECERT_PDF_PYTHON; `cargo xtask test` sets it");
        return Ok(None);
    };
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), pdf)?;
    if let Some(folder) = std::env::var_os("ECERT_KEEP_PDF") {
        let name = format!("{:016x}.pdf", rand::random::<u64>());
        std::fs::copy(file.path(), std::path::Path::new(&folder).join(name))?;
    }
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/pdf.py");
    let output =
        Command::new(python).arg(program).arg(file.path()).output().context("cannot start Python")?;
    ensure!(output.status.success(), "pypdf failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

impl Paper {
    fn text(&self) -> String {
        self.pages.join("\n")
    }

    /// Whatever stands there, however lines are broken.
    fn says(&self, words: &str) -> bool {
        let tight = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        tight(&self.text()).contains(&tight(words))
    }
}

/// All six decimals, and the whole yuan in groups of three digits.
fn money(micros: i64) -> String {
    format!("{}.{:06}", grouped(micros / 1_000_000), micros % 1_000_000)
}

fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Of a shop with a long and rare name: a pack of two, and three uses on account, half a day later closed.
async fn stated(app: &TestApp, name: &str) -> anyhow::Result<(RelyingParty, Value)> {
    let rp = app.admin.admit_with(name, &["name"], &["face.compare"]).await?;
    pay_in(app, &rp, 10).await?;
    let offer = json!({ "id": "two", "service": "face.compare", "kind": "pack", "units": 4, "months": 1, "price": yuan(1) });
    app.admin.post("/v1/admin/offers", &offer).await?;
    rp.buy("two").await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let picture = &later_frames()[0];
    for _ in 0..7 {
        rp.compare(picture, picture).await?.expect_status(200)?;
    }
    app.wait(DAY);
    statements::close_due(&app.context)?;
    let bills = rp.get("/v1/statements").await?.expect_status(200)?;
    Ok((rp, bills["statements"][0].clone()))
}

fn address(bill: &Value) -> String {
    format!("/v1/statements/{}", bill["period"].as_str().unwrap_or_default())
}

#[actix_web::test]
async fn a_statement_says_on_paper_what_it_says_as_json_in_both_languages() -> Test {
    let app = TestApp::start().await?;
    let name = "深圳市龘犇科技有限公司";
    let (rp, bill) = stated(&app, name).await?;
    for (language, tag, title, due) in
        [("zh", "zh-CN", "对账单", "待付（元）"), ("en", "en", "Statement", "Still to pay")]
    {
        let pdf = rp.pdf(&format!("{}?lang={language}", address(&bill))).await?;
        assert_eq!((pdf.status, pdf.media.as_str()), (200, "application/pdf"));
        let Some(paper) = read(&pdf.bytes)? else { return Ok(()) };
        assert!(
            paper.title.starts_with(title) && paper.language == tag,
            "{} {}",
            paper.title,
            paper.language
        );
        let of = |field: &str| bill[field].as_str().unwrap_or_default();
        for words in
            [name, rp.id.as_str(), of("id"), of("period"), of("root"), due, "Asia/Shanghai", "list-1"]
        {
            assert!(paper.says(words), "{words} is not in:\n{}", paper.text());
        }
        for item in bill["items"].as_array().context("items")? {
            let micros = item["amount"]["micros"].as_i64().context("an amount")?;
            assert!(
                paper.says(&format!("{}", item["uses"])) && paper.says(&money(micros)),
                "{}",
                paper.text()
            );
            if let Some(pack) = item["pack"].as_str() {
                assert!(paper.says(pack));
            }
        }
        // Three on account at 0.006, paid; four of four drawn.
        for words in ["0.018000", "0.006000", "0.000000"] {
            assert!(paper.says(words), "{words} is not in:\n{}", paper.text());
        }
        let attached = format!("statement-{}.jws", of("period"));
        assert_eq!(paper.attachments.get(&attached).map(String::as_str), bill["statement"].as_str());
    }
    Ok(())
}

#[actix_web::test]
async fn it_is_made_for_archives_and_for_whoever_can_not_see_it() -> Test {
    let app = TestApp::start().await?;
    let (rp, bill) = stated(&app, "Corner Shop").await?;
    let (first, again) = (rp.pdf(&address(&bill)).await?, rp.pdf(&address(&bill)).await?);
    assert_eq!(first.bytes, again.bytes, "the same statement is the same file");
    let Some(paper) = read(&first.bytes)? else { return Ok(()) };
    assert_eq!((paper.marked, paper.pdfa.as_deref(), paper.pdfua.as_deref()), (true, Some("3a"), Some("1")));
    assert_eq!(paper.fonts.len(), 1, "{:?}", paper.fonts);
    assert!(
        paper.fonts[0].contains("NotoSansSC") && paper.fonts[0].contains('+'),
        "a subset: {:?}",
        paper.fonts
    );
    assert!(first.bytes.len() < 150_000, "{} bytes", first.bytes.len());
    let count = |kind: &str| paper.structure.get(kind).copied().unwrap_or_default();
    assert_eq!((count("/H1"), count("/Table"), count("/H2")), (1, 5, 4), "{:?}", paper.structure);
    assert!(count("/TH") > 10 && count("/TD") > 10 && count("/P") > 5, "{:?}", paper.structure);
    assert_eq!(paper.outline, paper.headings);
    Ok(())
}

#[actix_web::test]
async fn the_language_is_the_callers_and_chinese_where_nothing_is_said() -> Test {
    let app = TestApp::start().await?;
    let (rp, bill) = stated(&app, "Corner Shop").await?;
    let of = async |accepted: Option<&str>| rp.pdf_in(&address(&bill), accepted).await;
    let (zh, en) = (of(Some("zh")).await?.bytes, of(Some("en")).await?.bytes);
    assert_ne!(zh, en);
    for (accepted, expected) in [
        (None, &zh),
        (Some("fr"), &zh),
        (Some("fr, en-GB;q=0.8, zh;q=0.3"), &en),
        (Some("*"), &zh),
        (Some("zh-Hans-CN"), &zh),
    ] {
        assert_eq!(&of(accepted).await?.bytes, expected, "{accepted:?}");
    }
    let asked = rp.pdf_in(&format!("{}?lang=en", address(&bill)), Some("zh")).await?;
    assert_eq!(asked.bytes, en);
    for query in ["?lang=fr", "?language=en"] {
        let refused = rp.pdf(&format!("{}{query}", address(&bill))).await?;
        assert_eq!(refused.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn paper_is_for_its_relying_party_alone() -> Test {
    let app = TestApp::start().await?;
    let (_, bill) = stated(&app, "Corner Shop").await?;
    let other = app.relying_party().await?;
    assert_eq!(other.pdf(&address(&bill)).await?.refusal(), "404 not-found");
    let nobody = RelyingParty::new(&app.base, &other.id, "ek_live_nobody");
    assert_eq!(nobody.pdf(&address(&bill)).await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn without_a_font_there_is_no_paper_and_all_else_works() -> Test {
    let empty = tempfile::tempdir()?;
    let folder = empty.path().display().to_string();
    let app = TestApp::with_flags(&["--model-dir", &folder]).await?;
    let (rp, bill) = stated(&app, "Corner Shop").await?;
    let refused = rp.pdf(&address(&bill)).await?;
    assert_eq!(refused.refusal(), "501 pdf-unavailable");
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("cargo xtask setup")));
    rp.get(&address(&bill)).await?.expect_status(200)?;
    Ok(())
}

/// A statement of many items; nobody has so many services, but price lists and packs come and go.
fn long(items: u64, name: &str) -> anyhow::Result<Bill> {
    let at: Timestamp = "2026-11-22T16:10:00Z".parse()?;
    let mut random = rand::rng();
    let cny = |micros| Amount { currency: Currency::Cny, micros: Micros::new(micros) };
    let pack = |number: u64| (number.is_multiple_of(3)).then(|| PackId::new(at, &mut rand::rng()));
    let services =
        ["ecert.redeem", "person.verify", "face.liveness", "face.compare", "face.search", "to.come"];
    let item = |number: u64| {
        let pack = pack(number);
        let micros = if pack.is_some() { 0 } else { i64::try_from(number).unwrap_or(0) * 1_234_567_891 };
        let service = services[usize::try_from(number).unwrap_or(0) % services.len()].to_owned();
        Item {
            service,
            price_version: format!("list-{number}"),
            pack,
            uses: number * 1_009,
            amount: cny(micros),
        }
    };
    let items: Vec<Item> = (1..=items).map(item).collect();
    let packs = items.iter().filter_map(|item| item.pack.map(|id| (id, item)));
    let packs = packs.map(|(id, item)| {
        let drawn = i64::try_from(item.uses).unwrap_or(0);
        BilledPack {
            id,
            service: item.service.clone(),
            expires_at: at,
            units: 1_000_000,
            drawn,
            left: 1_000_000 - drawn,
        }
    });
    Ok(Bill {
        unit_prices: items.iter().map(|item| item.pack.is_none().then(|| Micros::new(6_000))).collect(),
        packs: packs.collect(),
        token: "e30.e30.e30".to_owned(),
        key_id: "k".repeat(43),
        name: name.to_owned(),
        zone: TimeZone::get("Asia/Shanghai")?,
        bounds: (at - SignedDuration::from_hours(24), at),
        closed_at: at,
        payments: (0..40)
            .map(|day| (at + SignedDuration::from_hours(24 * day), Micros::new(1_000_001)))
            .collect(),
        late_fee: Micros::new(38),
        settled_at: None,
        late_fee_paid_at: None,
        as_of: at + SignedDuration::from_hours(24 * 40),
        statement: Statement {
            iss: "https://id.example.org".to_owned(),
            iat: at.as_second(),
            id: StatementId::new(at, &mut random),
            relying_party: RelyingPartyId::new(at, &mut random),
            period: "2026-11-22".to_owned(),
            zone: "Asia/Shanghai".to_owned(),
            uses: items.iter().map(|item| item.uses).sum(),
            amount: cny(items.iter().map(|item| item.amount.micros.get()).sum()),
            items,
            root: "r".repeat(43),
            sandbox: false,
        },
    })
}

fn press() -> anyhow::Result<Press> {
    Ok(Press::in_folder(Some(ecert_tests::samples::cache_dir()?)))
}

#[test]
fn hundreds_of_items_break_into_pages_and_none_is_lost() -> Test {
    let bill = long(400, "Corner Shop")?;
    for language in [Language::Zh, Language::En] {
        let Some(paper) = read(&press()?.print(&bill, language)?)? else { return Ok(()) };
        let all = paper.pages.len();
        assert!((10..60).contains(&all), "{all} pages");
        for (number, page) in (1..).zip(&paper.pages) {
            let count = match language {
                Language::Zh => format!("第 {number} 页，共 {all} 页"),
                Language::En => format!("Page {number} of {all}"),
            };
            assert!(page.contains(&count), "{page}");
            assert!(page.lines().count() < 400 && page.contains(&bill.statement.id.to_string()));
        }
        let text = paper.text();
        let words: Vec<&str> = text.split_whitespace().collect();
        let tight = words.concat();
        let missing = |word: &String| !words.contains(&word.as_str());
        for (item, price) in bill.statement.items.iter().zip(&bill.unit_prices) {
            let uses = grouped(i64::try_from(item.uses)?);
            let expected = match item.pack {
                Some(pack) => {
                    assert!(tight.contains(&pack.to_string()), "{pack}");
                    vec![uses]
                }
                None => vec![uses, money(item.amount.micros.get()), item.price_version.clone()],
            };
            assert!(!expected.iter().any(missing), "{expected:?} ({price:?})");
        }
        // Each row once: the lines of every table, and of no table twice.
        let rows = paper.structure.get("/TR").copied().unwrap_or_default();
        let packs = u64::try_from(bill.packs.len())?;
        assert_eq!(rows, 5 + (1 + 400 + 1) + (1 + packs) + (1 + 40 + 2) + 3);
        let paid = 40 * 1_000_001;
        assert!(paper.says(&money(bill.statement.amount.micros.get() - paid + 38)));
    }
    Ok(())
}

#[test]
fn long_and_rare_names_are_set_whole_and_what_has_no_glyph_can_be_copied() -> Test {
    // 80 characters: the most that a name has; a character beyond the basic plane, one with a variant, one of private use, direction marks.
    let long_name = "深圳市前海国际人脸识别与电子身份凭证技术研究开发应用推广服务集团股份有限公司".repeat(2);
    for (name, expected) in [
        (long_name.as_str(), long_name.as_str()),
        (
            "Supercalifragilisticexpialidocious-Aktiengesellschaft-für-Gesichtserkennungsdienstleistungen",
            "Supercalifragilisticexpialidocious-Aktiengesellschaft-für-Gesichtserkennungsdienstleistungen",
        ),
        // What has no glyph is shown as another. A second one on a page is copied right by readers that know `ActualText`; pypdf does not.
        ("𠮷野家龘龖䶮㛃有限公司", "𠮷野家龘龖䶮㛃有限公司"),
        ("葛\u{E0100}城\u{202E}区\u{200B}商\u{7}店", "葛\u{E0100}城区商店"),
        ("私\u{E000}用", "私〓用"),
        ("微笑🙂店", "微笑🙂店"),
    ] {
        let bill = long(1, name)?;
        let pdf = press()?.print(&bill, Language::Zh)?;
        let Some(paper) = read(&pdf)? else { return Ok(()) };
        assert!(paper.says(expected), "{expected} is not in:\n{}", paper.text());
    }
    Ok(())
}
