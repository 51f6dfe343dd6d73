//! One target under libFuzzer; `FUZZ_TARGET` says which.
#![no_main]
#![allow(missing_docs, reason = "the macro makes public functions without documentation")]

use std::sync::LazyLock;

use jstorrent_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    TARGETS.iter().find(|target| target.name == name).expect("FUZZ_TARGET is a target")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
