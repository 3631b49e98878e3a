//! Labels dealt out anew, as a control: what a model still finds then is chance, or a leak.

use crate::rng;

/// Sets the draw apart from those of folds.
const LABELS: u64 = 0x006c_6162_656c_7300;

/// Where each label goes: `labels[order[i]]` becomes the label of item `i`. Items are only
/// exchanged with others of the same `group` (their corpus); within it, how often each label occurs
/// stays.
pub fn shuffled<T: Ord>(groups: &[T], seed: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..groups.len()).collect();
    places.sort_by_key(|&i| &groups[i]);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    for (stream, group) in places.chunk_by(|&a, &b| groups[a] == groups[b]).enumerate() {
        let mut dealt = group.to_vec();
        rng::shuffle(&mut dealt, &mut rng::numbered(seed ^ LABELS, stream as u64));
        group
            .iter()
            .zip(dealt)
            .for_each(|(&place, from)| order[place] = from);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_in_their_group_and_none_is_lost() {
        let groups: Vec<char> = "aabbbabbbaaabbbaaa".chars().collect();
        let order = shuffled(&groups, 3);
        assert!(
            order
                .iter()
                .enumerate()
                .all(|(i, &from)| groups[i] == groups[from])
        );
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
        assert_ne!(order, all);
        assert_eq!(order, shuffled(&groups, 3));
        assert_ne!(order, shuffled(&groups, 4));
    }
}
