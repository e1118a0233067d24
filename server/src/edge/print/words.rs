//! What a bill says, in the product's two languages.

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Simplified Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language of a word on the wire.
    pub fn parse(word: &str) -> Option<Language> {
        match word {
            "zh" => Some(Language::Zh),
            "en" => Some(Language::En),
            _ => None,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::Zh => "zh",
            Language::En => "en",
        }
    }

    /// RFC 5646.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::Zh => "zh-CN",
            Language::En => "en",
        }
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Language::Zh => &ZH,
            Language::En => &EN,
        }
    }

    /// What people call a service, if they call it anything.
    pub(super) fn service(self, service: &str) -> Option<&'static str> {
        let (zh, en) = match service {
            "ecert.redeem" => ("电子证核验", "E-cert redemption"),
            "person.verify" => ("人证核身", "Person verification"),
            "face.liveness" => ("活体检测", "Face liveness"),
            "face.compare" => ("人脸比对", "Face comparison"),
            "face.attributes" => ("人脸属性", "Face attributes"),
            "face.search" => ("人脸搜索", "Face search"),
            "sdk.device" => ("离线设备授权", "Offline device licence"),
            _ => return None,
        };
        Some(match self {
            Language::Zh => zh,
            Language::En => en,
        })
    }
}

/// All of them. `{}` is filled in.
pub(super) struct Words {
    pub(super) title: &'static str,
    /// The title of a statement of the sandbox.
    pub(super) sandbox_title: &'static str,
    /// How one of the sandbox stands, whatever its books say.
    pub(super) not_owed: &'static str,
    pub(super) amount: &'static str,
    pub(super) uses: &'static str,
    pub(super) from_packs: &'static str,
    pub(super) billed_to: &'static str,
    pub(super) provider: &'static str,
    pub(super) period: &'static str,
    pub(super) number: &'static str,
    pub(super) made_at: &'static str,
    pub(super) items: &'static str,
    pub(super) service: &'static str,
    pub(super) basis: &'static str,
    pub(super) count: &'static str,
    pub(super) unit_price: &'static str,
    pub(super) item_amount: &'static str,
    pub(super) pack: &'static str,
    pub(super) total: &'static str,
    pub(super) only_sums: &'static str,
    pub(super) packs: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) units: &'static str,
    pub(super) drawn: &'static str,
    pub(super) left: &'static str,
    pub(super) settlement: &'static str,
    pub(super) paid_at: &'static str,
    pub(super) late_fee: &'static str,
    pub(super) late_fee_as_of: &'static str,
    pub(super) late_fee_paid_at: &'static str,
    pub(super) to_pay: &'static str,
    pub(super) settled: &'static str,
    pub(super) owed: &'static str,
    pub(super) late_fee_owed: &'static str,
    pub(super) proof: &'static str,
    pub(super) root: &'static str,
    pub(super) key: &'static str,
    pub(super) file: &'static str,
    pub(super) how: &'static str,
    pub(super) what: &'static str,
    pub(super) no_invoice: &'static str,
    pub(super) page: &'static str,
}

static ZH: Words = Words {
    title: "对账单",
    sandbox_title: "沙盒对账单",
    not_owed: "测试数据，无需支付",
    amount: "本期金额（人民币）",
    uses: "共使用 {} 次",
    from_packs: "其中用量包抵扣 {} 次",
    billed_to: "客户",
    provider: "服务方",
    period: "账期",
    number: "对账单编号",
    made_at: "出账时间",
    items: "用量与金额",
    service: "服务",
    basis: "价目表 / 用量包",
    count: "次数",
    unit_price: "单价（元）",
    item_amount: "金额（元）",
    pack: "用量包抵扣",
    total: "合计",
    only_sums: "本文件只列汇总，不列明细。本期 {} 笔计费的明细及其签名回执见 GET {}",
    packs: "用量包",
    valid_until: "有效期至",
    units: "总量",
    drawn: "本期使用",
    left: "期末剩余",
    settlement: "结算",
    paid_at: "已付 {}",
    late_fee: "滞纳金",
    late_fee_as_of: "滞纳金（截至 {}）",
    late_fee_paid_at: "滞纳金，已付 {}",
    to_pay: "待付（元）",
    settled: "已结清",
    owed: "未结清",
    late_fee_owed: "滞纳金未付",
    proof: "核验",
    root: "默克尔根",
    key: "签名密钥编号",
    file: "签名原件",
    how: "已签名的对账单作为附件 {} 随本 PDF 保存。取出附件，配合贵方留存的回执与签发方根证书（{}/.well-known/ecert 中 x5c 的最后一张），可离线核验：",
    what: "多记、漏记或改动任何一笔，核验都会失败。金额精确到百万分之一元，未作舍入。",
    no_invoice: "本对账单不是发票。",
    page: "第 {} 页，共 {} 页",
};

static EN: Words = Words {
    title: "Statement",
    sandbox_title: "Sandbox statement",
    not_owed: "Test data: nothing is owed",
    amount: "Amount of this period (CNY)",
    uses: "{} uses in all",
    from_packs: "{} of them from packs",
    billed_to: "Billed to",
    provider: "Provider",
    period: "Period",
    number: "Statement number",
    made_at: "Made at",
    items: "Uses and amounts",
    service: "Service",
    basis: "Price list / pack",
    count: "Uses",
    unit_price: "Unit price (CNY)",
    item_amount: "Amount (CNY)",
    pack: "From a pack",
    total: "Total",
    only_sums: "This document has sums only. The {} charges behind them, each with its signed receipt, are at GET {}",
    packs: "Packs",
    valid_until: "Valid until",
    units: "Units",
    drawn: "Used now",
    left: "Left after",
    settlement: "Settlement",
    paid_at: "Paid on {}",
    late_fee: "Late fee",
    late_fee_as_of: "Late fee (as of {})",
    late_fee_paid_at: "Late fee, paid on {}",
    to_pay: "Still to pay (CNY)",
    settled: "Settled",
    owed: "Not settled",
    late_fee_owed: "Late fee not paid",
    proof: "Verification",
    root: "Merkle root",
    key: "Signing key id",
    file: "Signed original",
    how: "The signed statement is attached to this PDF as {}. Save it; with your own receipts and the issuer's root certificate (the last of x5c at {}/.well-known/ecert) it is verified offline:",
    what: "That fails if any charge was added, left out or changed. Amounts are exact to the millionth of a yuan; nothing is rounded.",
    no_invoice: "This statement is not a tax invoice.",
    page: "Page {} of {}",
};

/// A sentence with its gaps filled in, in their order.
pub(super) fn filled(sentence: &str, gaps: &[&str]) -> String {
    gaps.iter().fold(sentence.to_owned(), |sentence, gap| sentence.replacen("{}", gap, 1))
}
