#![no_main]
//! libFuzzer on the check: whatever the bytes are, it ends with a result, within bounds.
//!
//! With cargo-fuzz and a nightly compiler: `cargo +nightly fuzz run check`, in `plan/`. Without them, with the stable
//! one and a C++ compiler, from the top of the checkout:
//!
//! ```sh
//! RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!   -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
//!   -Ccodegen-units=1" \
//!   cargo run --release --manifest-path plan/fuzz/Cargo.toml --target x86_64-unknown-linux-gnu -- \
//!   plan/fuzz/corpus/check -max_len=4096 -timeout=1 -rss_limit_mb=512
//! ```
//!
//! What it finds goes into the corpus, as small as `-minimize_crash=1` makes it: the suite runs all of it.

#[path = "../one.rs"]
mod one;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    one::one(bytes);
});
