//! All suffixes of a text in order, in linear time (induced sorting, SA-IS).

/// A place of the array that is not filled yet.
const EMPTY: u32 = u32::MAX;

/// The start of every suffix of `text`, the smallest suffix first; a suffix that is a prefix of another comes before
/// it. All letters are below `alphabet`, the text is shorter than `u32::MAX`. O(N + alphabet) time, about 9 bytes a
/// letter beside the result.
pub fn suffix_array(text: &[u32], alphabet: usize) -> Vec<u32> {
    match text {
        [] => Vec::new(),
        [_] => vec![0],
        _ => Sorter::new(text, alphabet).sort(),
    }
}

struct Sorter<'a> {
    text: &'a [u32],
    /// Whether the suffix is smaller than the next one.
    rising: Vec<bool>,
    /// Where each letter's suffixes begin in the array; one more entry than there are letters.
    buckets: Vec<u32>,
    /// Where the rising ones among them begin.
    rising_from: Vec<u32>,
    array: Vec<u32>,
}

impl<'a> Sorter<'a> {
    fn new(text: &'a [u32], alphabet: usize) -> Self {
        let mut rising = vec![false; text.len()];
        for at in (0..text.len() - 1).rev() {
            rising[at] = text[at] < text[at + 1] || (text[at] == text[at + 1] && rising[at + 1]);
        }
        let (mut buckets, mut falling) = (vec![0u32; alphabet + 1], vec![0u32; alphabet + 1]);
        for (letter, rising) in text.iter().zip(&rising) {
            buckets[*letter as usize + 1] += 1;
            falling[*letter as usize] += u32::from(!rising);
        }
        for letter in 0..alphabet {
            buckets[letter + 1] += buckets[letter];
        }
        let rising_from = buckets.iter().zip(&falling).map(|(start, falling)| start + falling).collect();
        Self { text, rising, buckets, rising_from, array: vec![EMPTY; text.len()] }
    }

    /// Whether a rising suffix begins here after a falling one: these suffixes sort all others.
    fn is_valley(&self, at: usize) -> bool {
        at > 0 && self.rising[at] && !self.rising[at - 1]
    }

    fn sort(mut self) -> Vec<u32> {
        let valleys: Vec<u32> = (1..self.text.len()).filter(|at| self.is_valley(*at)).map(|at| at as u32).collect();
        self.induce(&valleys);
        if valleys.len() > 1 {
            let sorted: Vec<u32> = self.array.iter().copied().filter(|at| self.is_valley(*at as usize)).collect();
            let order = self.order_valleys(&valleys, &sorted);
            self.induce(&order);
        }
        self.array
    }

    /// Puts the valleys down in the order given, from which every other suffix finds its place.
    fn induce(&mut self, valleys: &[u32]) {
        self.array.fill(EMPTY);
        let mut next = self.rising_from.clone();
        let mut place = |array: &mut Vec<u32>, letter: u32, at: u32| {
            array[next[letter as usize] as usize] = at;
            next[letter as usize] += 1;
        };
        for at in valleys {
            place(&mut self.array, self.text[*at as usize], *at);
        }
        let mut next = self.buckets.clone();
        let mut place = |array: &mut Vec<u32>, letter: u32, at: u32| {
            array[next[letter as usize] as usize] = at;
            next[letter as usize] += 1;
        };
        // The end of the text is smaller than anything, so the last letter's suffix comes first in its bucket.
        let last = self.text.len() - 1;
        place(&mut self.array, self.text[last], last as u32);
        for rank in 0..self.array.len() {
            let Some(before) = preceding(self.array[rank]) else { continue };
            if !self.rising[before as usize] {
                place(&mut self.array, self.text[before as usize], before);
            }
        }
        let mut end = self.buckets.clone();
        for rank in (0..self.array.len()).rev() {
            let Some(before) = preceding(self.array[rank]) else { continue };
            if self.rising[before as usize] {
                let letter = self.text[before as usize] as usize + 1;
                end[letter] -= 1;
                self.array[end[letter] as usize] = before;
            }
        }
    }

    /// The valleys in the order of their suffixes, from the order of what lies between them.
    fn order_valleys(&self, valleys: &[u32], sorted: &[u32]) -> Vec<u32> {
        // Valleys are at least two apart, so half a place is a number of its own.
        let mut place = vec![0u32; self.text.len() / 2 + 1];
        valleys.iter().enumerate().for_each(|(index, at)| place[*at as usize / 2] = index as u32);
        let index = |at: u32| place[at as usize / 2] as usize;
        let end = |at: u32| valleys.get(index(at) + 1).map_or(self.text.len(), |next| *next as usize + 1);
        let mut names = vec![0u32; valleys.len()];
        let mut name = 0;
        for pair in sorted.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let (from_a, from_b) = (&self.text[a as usize..end(a)], &self.text[b as usize..end(b)]);
            // What runs into the end of the text differs from all else, however alike.
            let last = end(a) == self.text.len() || end(b) == self.text.len();
            name += u32::from(last || from_a != from_b);
            names[index(b)] = name;
        }
        let order = suffix_array(&names, name as usize + 1);
        order.iter().map(|index| valleys[*index as usize]).collect()
    }
}

fn preceding(at: u32) -> Option<u32> {
    if at == EMPTY { None } else { at.checked_sub(1) }
}

/// Whether `array` is the suffix array of `text`: linear time, for an array that came from elsewhere.
pub fn is_suffix_array(text: &[u32], array: &[u32]) -> bool {
    if text.len() != array.len() {
        return false;
    }
    let mut rank = vec![EMPTY; text.len() + 1];
    for (order, at) in array.iter().enumerate() {
        match rank.get_mut(*at as usize) {
            // The rank of the end of the text is no suffix's to take.
            Some(rank) if *rank == EMPTY && (*at as usize) < text.len() => *rank = order as u32 + 1,
            _ => return false,
        }
    }
    rank[text.len()] = 0;
    array.windows(2).all(|pair| {
        let (a, b) = (pair[0] as usize, pair[1] as usize);
        text[a] < text[b] || (text[a] == text[b] && rank[a + 1] < rank[b + 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(text: &[u32]) -> Vec<u32> {
        let mut array: Vec<u32> = (0..text.len() as u32).collect();
        array.sort_by(|a, b| text[*a as usize..].cmp(&text[*b as usize..]));
        array
    }

    #[test]
    fn a_long_run_of_one_letter_is_sorted_at_once() {
        let text = vec![3u32; 300_000];
        let array = suffix_array(&text, 4);
        assert_eq!((array[0], array[299_999]), (299_999, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn suffixes_are_in_order(text in proptest::collection::vec(0u32..4, 0..60)) {
            let array = suffix_array(&text, 4);
            prop_assert_eq!(&array, &naive(&text));
            prop_assert!(is_suffix_array(&text, &array));
        }

        #[test]
        fn another_order_is_noticed(
            text in proptest::collection::vec(0u32..3, 2..40), a in 0usize..40, b in 0usize..40, value in 0u32..50
        ) {
            let mut array = suffix_array(&text, 3);
            let (a, b) = (a % array.len(), b % array.len());
            prop_assume!(a != b);
            array.swap(a, b);
            prop_assert!(!is_suffix_array(&text, &array));
            array.swap(a, b);
            prop_assume!(array[a] != value);
            array[a] = value;
            prop_assert!(!is_suffix_array(&text, &array));
        }
    }
}
