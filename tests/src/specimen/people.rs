//! Invented people for many cards: names with rare characters and with `·`, addresses of one to three lines, every kind of
//! validity. The numbers are of the region 99, which was never assigned.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::{Sex, Specimen, number_of};

/// Names as registers have them: two to four characters, compound surnames, rare characters, transcribed names.
pub const NAMES: [&str; 48] = [
    "王伟",
    "李秀英",
    "张敏",
    "刘洋",
    "陈思远",
    "杨紫涵",
    "赵一诺",
    "黄宇轩",
    "周建国",
    "吴桂兰",
    "徐浩然",
    "孙丽娟",
    "欧阳修远",
    "司马昭华",
    "诸葛明",
    "上官婉儿",
    "夏侯淳",
    "东方朔",
    "李犇",
    "赵赟",
    "周翀",
    "陈喆",
    "王㛃",
    "刘䶮",
    "张祎",
    "郑燊",
    "冯骉",
    "苏婳",
    "邓翾",
    "曹曌",
    "郭顼",
    "彭瓛",
    "吕焱",
    "丁垚",
    "蔡旻昊",
    "潘玥",
    "袁璟雯",
    "于堃",
    "董昇",
    "程珺瑶",
    "买买提·吐尔逊",
    "迪丽努尔·买买提",
    "阿卜杜热合曼·艾则孜",
    "古丽娜尔·阿不都热依木",
    "洛桑·丹增",
    "普布次仁",
    "哈斯巴根",
    "阿依夏木·吐尔地",
];

const PLACES: [(&str, &str); 12] = [
    ("样本省示例市测试区", "示例市公安局测试分局"),
    ("北京市东城区", "北京市公安局东城分局"),
    ("上海市浦东新区", "上海市公安局浦东分局"),
    ("广东省深圳市南山区", "深圳市公安局南山分局"),
    ("四川省成都市武侯区", "成都市公安局武侯分局"),
    ("新疆维吾尔自治区乌鲁木齐市天山区", "乌鲁木齐市公安局天山区分局"),
    ("内蒙古自治区呼和浩特市赛罕区", "呼和浩特市公安局赛罕区分局"),
    ("西藏自治区拉萨市城关区", "拉萨市公安局城关分局"),
    ("湖北省武汉市武昌区", "武汉市公安局武昌区分局"),
    ("云南省西双版纳傣族自治州景洪市", "景洪市公安局"),
    ("贵州省黔东南苗族侗族自治州凯里市", "凯里市公安局"),
    ("浙江省杭州市西湖区", "杭州市公安局西湖区分局"),
];
const STREETS: [&str; 10] = [
    "虚构路",
    "样本大道",
    "测试街",
    "演示南路",
    "示例巷",
    "幸福里",
    "解放东路",
    "翠苑三区",
    "龙湾镇李家村",
    "柳树屯",
];
const ETHNICITIES: [&str; 12] =
    ["汉", "汉", "汉", "回", "壮", "满", "维吾尔", "蒙古", "藏", "土家", "哈萨克", "彝"];

/// The `seq`-th invented person.
pub fn person(seq: u32) -> Specimen {
    let mut rng = StdRng::seed_from_u64(u64::from(seq) ^ 0x5eed_ca4d);
    let pick =
        |from: &[&'static str], rng: &mut StdRng| from.choose(rng).copied().unwrap_or_default().to_owned();
    // Every name comes up before one comes up again.
    let at = usize::try_from(seq).unwrap_or(0) * 7 % NAMES.len();
    let name = NAMES.get(at).copied().unwrap_or_default().to_owned();
    let sex = if rng.random() { Sex::Male } else { Sex::Female };
    let birth = (rng.random_range(1940..2006), rng.random_range(1..=12), rng.random_range(1..=28));
    let (place, office) = PLACES.choose(&mut rng).copied().unwrap_or_default();
    let street = pick(&STREETS, &mut rng);
    let house = match rng.random_range(0..4) {
        0 => format!("{}号", rng.random_range(1..400)),
        1 => format!("{}号{}室", rng.random_range(1..400), rng.random_range(101..3300)),
        2 => format!(
            "{}号{}栋{}单元{}室",
            rng.random_range(1..999),
            rng.random_range(1..40),
            rng.random_range(1..5),
            rng.random_range(101..3300)
        ),
        _ => format!("{}号附{}号", rng.random_range(1..200), rng.random_range(1..30)),
    };
    let from = (rng.random_range(2017..2026), rng.random_range(1..=10), rng.random_range(1..=28));
    let years: Option<u16> = [None, Some(10), Some(20), Some(20)].choose(&mut rng).copied().flatten();
    Specimen {
        name,
        sex,
        ethnicity: pick(&ETHNICITIES, &mut rng),
        birth,
        address: format!("{place}{street}{house}"),
        number: number_of(birth, sex, seq),
        issuer: office.to_owned(),
        valid_from: from,
        valid_until: years.map(|years| (from.0 + years, from.1, from.2)),
    }
}
