//! The nearest known word: what somebody who mistyped probably meant.

/// Longest word that is compared; longer ones have no neighbours.
const MAX_COMPARED: usize = 64;
/// Most known words that are compared with one given.
const MAX_CANDIDATES: usize = 2_000;

/// The known word with the smallest edit distance, when that is small enough to be a slip.
pub(crate) fn nearest<'w>(given: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let length = given.chars().count();
    let allowed = (length / 3).max(1);
    let lower = given.to_lowercase();
    known
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|word| word.chars().count().abs_diff(length) <= allowed)
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count())
        .min()
        .map(|(_, word)| word)
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len() > MAX_COMPARED || b.len() > MAX_COMPARED {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_does_not() {
        let known = ["east-1", "west-1", "promote", "postgres"];
        assert_eq!(nearest("eats-1", known), Some("east-1"));
        assert_eq!(nearest("promte", known), Some("promote"));
        assert_eq!(nearest("Postgres", known), Some("postgres"));
        assert_eq!(nearest("kitchen", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
