//! The polynomial in `config`. Our chunker does not cut by it, but stock restic refuses a repository
//! whose polynomial is reducible, and our gear table is derived from it.

/// A polynomial over GF(2), its coefficients as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Polynomial(pub(crate) u64);

const DEGREE: u32 = 53;

impl Polynomial {
    /// A random irreducible polynomial of degree 53. One in about 26 candidates is irreducible.
    pub(crate) fn random() -> Self {
        loop {
            let bits = rand::random::<u64>() & ((1 << DEGREE) - 1);
            let candidate = Self(bits | 1 << DEGREE | 1);
            if candidate.is_irreducible() {
                return candidate;
            }
        }
    }

    fn degree(self) -> Option<u32> {
        self.0.checked_ilog2()
    }

    /// Ben-Or's test: irreducible when it shares no factor with `x^(2^i) - x` for `i` up to half its degree.
    pub(crate) fn is_irreducible(self) -> bool {
        let Some(degree) = self.degree().filter(|d| *d > 0 && *d < 63) else {
            return false;
        };
        let mut power = 2_u64; // x
        for _ in 0..degree / 2 {
            power = multiply(power, power, self.0);
            if gcd(self.0, power ^ 2) != 1 {
                return false;
            }
        }
        true
    }
}

fn remainder(mut a: u64, b: u64) -> u64 {
    let Some(degree) = b.checked_ilog2() else {
        return 0;
    };
    while let Some(d) = a.checked_ilog2().filter(|d| *d >= degree) {
        a ^= b << (d - degree);
    }
    a
}

fn multiply(a: u64, b: u64, modulus: u64) -> u64 {
    let (mut a, mut b, mut product) = (remainder(a, modulus), b, 0);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        b >>= 1;
        a = remainder(a << 1, modulus);
    }
    product
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, remainder(a, b));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_polynomials_are_judged_as_restic_judges_them() {
        for good in [0x3d_a335_8b4d_c173, 0x25_b468_838d_cb75, 0b111, 0b1011] {
            assert!(Polynomial(good).is_irreducible(), "{good:x}");
        }
        for bad in [0, 1, 0b101, 0b110, 0x38_f1e5_65e2_88df, 0x3d_a335_8b4d_c172] {
            assert!(!Polynomial(bad).is_irreducible(), "{bad:x}");
        }
        assert_eq!(Polynomial::random().degree(), Some(53));
    }
}
