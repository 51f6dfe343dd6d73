//! The short form: all inputs of the corpora, and some thousands of mutations of them.
//!
//! `FUZZ_SEED` repeats a run, `FUZZ_TARGET` runs one target. The long form is `cargo xtask fuzz`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use jstorrent_fuzz::{TARGETS, Target};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// How many inputs are made for each target.
const MADE: u32 = 10_000;
/// Longest input, bytes.
const LONGEST: usize = 4 << 10;

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).expect("a readable input")).collect()
}

fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    usize::try_from(rng.next_u64() % u64::try_from(bound.max(1)).expect("a length"))
        .expect("below a length")
}

/// Makes one input of two: cut, joined, and changed in some places.
fn made(corpus: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let [one, other] =
        [(); 2].map(|()| corpus.get(below(rng, corpus.len())).cloned().unwrap_or_default());
    let mut input = one;
    if rng.next_u32().is_multiple_of(2) {
        input.truncate(below(rng, input.len() + 1));
        input.extend(&other[below(rng, other.len() + 1)..]);
    }
    for _ in 0..below(rng, 5) {
        let at = below(rng, input.len());
        let byte = rng.next_u32().to_be_bytes()[0];
        match rng.next_u32() % 4 {
            0 => input.insert(at.min(input.len()), byte),
            1 if at < input.len() => drop(input.remove(at)),
            _ if at < input.len() => input[at] ^= byte,
            _ => {}
        }
    }
    input.truncate(LONGEST);
    input
}

/// `cargo xtask fuzz` finds the targets by their corpora.
#[test]
fn each_corpus_belongs_to_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(folder).expect("the corpora") {
        let name = entry.expect("an entry").file_name();
        assert!(TARGETS.iter().any(|target| name == target.name), "{name:?} is no target");
    }
}

#[test]
fn no_input_panics() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let only = std::env::var("FUZZ_TARGET").ok();
    for target in
        TARGETS.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name))
    {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = corpus.iter().cloned();
        let others = (0..MADE).map(|_| made(&corpus, &mut rng));
        for input in inputs.chain(others) {
            let passed = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_ok();
            assert!(passed, "{} panics, with FUZZ_SEED={seed}, at {input:?}", target.name);
        }
    }
}
