//! Hexadecimal decoding, eight digits at a time.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The bitwise OR and AND of all digits: (0, 0) if all are zero, (15, 15) if all are `f`. `None` if there is a character that is
/// not a hexadecimal digit.
///
/// Runs in constant time for a given length, because the digits may be a key.
pub(crate) fn bits(digits: &[u8]) -> Option<(u8, u8)> {
    let (words, rest) = digits.as_chunks::<8>();
    let (mut digits_so_far, mut any, mut all) = (HIGH, 0, !0);
    for word in words {
        let (digits, value) = values(*word);
        digits_so_far &= digits;
        any |= value;
        all &= value;
    }
    if let Some(last) = rest.last() {
        let mut word = [*last; 8];
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        let (digits, value) = values(word);
        digits_so_far &= digits;
        any |= value;
        all &= value;
    }
    for half in [32, 16, 8] {
        any |= any >> half;
        all &= all >> half;
    }
    (digits_so_far & HIGH == HIGH).then_some((any.to_le_bytes()[0] & 0xF, all.to_le_bytes()[0] & 0xF))
}

/// For eight characters: a mask with the high bit of each byte that is a digit, and the digits' values.
#[inline]
fn values(word: [u8; 8]) -> (u64, u64) {
    let word = u64::from_le_bytes(word);
    // with ASCII, no addition carries into the next byte
    let ascii = word & !HIGH;
    let letter = ascii | (ONES * 0x20);
    let digit = (ascii + ONES * (0x80 - 0x30)) & !(ascii + ONES * (0x7F - 0x39));
    let a_to_f = (letter + ONES * (0x80 - 0x61)) & !(letter + ONES * (0x7F - 0x66));
    // the low bits of a digit, and nine more for a letter
    (
        (digit | a_to_f) & !word,
        (word & (ONES * 0xF)) + ((word >> 6) & ONES) * 9,
    )
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn each_byte_is_judged_as_the_standard_library_does_in_every_place() {
        // under Miri, one byte takes seconds
        for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 23 } else { 1 }) {
            for length in 1..=17 {
                for place in 0..length {
                    let mut digits = vec![b'7'; length];
                    digits[place] = byte;
                    assert_eq!(
                        bits(&digits).is_some(),
                        byte.is_ascii_hexdigit(),
                        "{byte} at {place} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn bits_are_those_of_the_values() {
        for (digits, expected) in [
            ("", (0, 15)),
            ("0000000000", (0, 0)),
            ("fFfFfFfFf", (15, 15)),
            ("3a", (11, 2)),
            ("8", (8, 8)),
        ] {
            assert_eq!(bits(digits.as_bytes()), Some(expected), "{digits}");
        }
        for value in 0..16u8 {
            let digit = char::from_digit(u32::from(value), 16).expect("a digit");
            for c in [digit, digit.to_ascii_uppercase()] {
                assert_eq!(bits(c.to_string().repeat(11).as_bytes()), Some((value, value)), "{c}");
            }
        }
    }
}
