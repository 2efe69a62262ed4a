//! Tables in parts, so that requests seldom meet.

/// Which of so many parts of a table a hash belongs to.
///
/// Mixed, so that it does not rely on hashes that are spread, and takes other bits than the map
/// within the part does.
pub(crate) fn part_of(bits: u128, parts: usize) -> usize {
    let mixed = ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % parts.max(1)
}
