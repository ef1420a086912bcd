//! Mutations of the corpus, from a seed: what libFuzzer does, without its knowledge of the code.

use super::child::full;
use super::one::one;

/// Mutations in the quick suite, and in the long one.
const ROUNDS: usize = 300;
const ROUNDS_FULL: usize = 15_000;
/// Longest text that is made.
const MAX_BYTES: usize = 4_096;
/// What is put in: words that mean something in a plan or in YAML, and bytes that mean nothing anywhere.
const WORDS: [&[u8]; 40] = [
    b"\n",
    b"  ",
    b": ",
    b"- ",
    b"? ",
    b"{",
    b"}",
    b"[",
    b"]",
    b", ",
    b"&a ",
    b"*a",
    b"!!str ",
    b"|\n",
    b">-\n",
    b"\"",
    b"'",
    b"#",
    b"---\n",
    b"%",
    b"~",
    b"<<: ",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\t",
    b"\xe2\x80\xa8",
    b"plan: p\n",
    b"steps:\n",
    b"after: ",
    b"when: ",
    b"${{ inputs.x }}",
    b"${{ steps.a.outputs.b }}",
    b"drill: ",
    b"call: ",
    b"99999999999999999999",
    b"-1",
    b"1e999",
    b"9999999999999h",
];

/// Numbers that look random and are the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).unwrap()
    }
}

/// How many are made.
pub fn rounds() -> usize {
    if full() { ROUNDS_FULL } else { ROUNDS }
}

/// Where they begin.
pub fn seed() -> u64 {
    std::env::var("LIFEBOAT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127)
}

/// The files of the corpus, by name.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/check");
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect();
    files.sort();
    files
}

/// Checks so many mutations. The one that is at work is printed when it panics.
pub fn run(rounds: usize, seed: u64) {
    let corpus = corpus();
    let mut random = Random(seed.max(1));
    for round in 0..rounds {
        let (name, mut bytes) = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut bytes, &corpus, &mut random);
        }
        bytes.truncate(MAX_BYTES);
        let at_work = AtWork { round, name: &name, bytes: &bytes };
        one(&bytes);
        drop(at_work);
    }
}

/// Says what was checked when that panicked.
struct AtWork<'a> {
    round: usize,
    name: &'a str,
    bytes: &'a [u8],
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("round {}, from {}: {:?}", self.round, self.name, String::from_utf8_lossy(self.bytes));
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[(String, Vec<u8>)], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(24).min(bytes.len() - at);
    match random.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 => drop(bytes.drain(at..at + length)),
        2 => drop(bytes.splice(at..at + length, WORDS[random.below(WORDS.len())].iter().copied())),
        3 => {
            let piece = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            drop(bytes.splice(to..to, piece));
        }
        4 => {
            let piece = bytes[at..at + length].repeat(1 + random.below(20));
            drop(bytes.splice(at..at, piece));
        }
        5 => {
            let other = &corpus[random.below(corpus.len())].1;
            let from = random.below(other.len() + 1);
            drop(bytes.splice(at..at + length, other[from..].iter().copied()));
        }
        _ => drop(bytes.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
    }
}
