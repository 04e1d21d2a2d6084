//! Turns by weight.

/// The order in which accounts of unequal weight take turns: spread out, not in blocks ("smooth
/// weighted round-robin", as nginx does it). `None` when all weigh the same.
pub(super) fn turns(weights: &[u32]) -> Option<Box<[u32]>> {
    let common = weights.iter().copied().reduce(divisor)?.max(1);
    let weights: Vec<i64> = weights
        .iter()
        .map(|weight| i64::from(weight / common))
        .collect();
    let total: i64 = weights.iter().sum();
    if total == weights.len() as i64 {
        return None;
    }
    let mut standing = vec![0_i64; weights.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        let mut best = 0;
        for (index, weight) in weights.iter().enumerate() {
            standing[index] += weight;
            if standing[index] > standing[best] {
                best = index;
            }
        }
        standing[best] -= total;
        turns.push(u32::try_from(best).unwrap_or(0));
    }
    Some(turns.into())
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}
