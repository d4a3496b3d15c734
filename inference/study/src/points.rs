//! Labelled vectors to study on.

use datanet_training::random::Stream;

/// Labelled vectors in a row: those that are trained on first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Points {
    /// Numbers of a vector.
    pub features: usize,
    /// Number of classes.
    pub classes: usize,
    /// `labels.len() * features` numbers.
    pub vectors: Vec<f32>,
    /// The class of each.
    pub labels: Vec<usize>,
}

/// The digits' file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} is not 64 brightnesses from 0 to 16 and a digit: {text}; give the unpacked digits.csv of scikit-learn"
)]
pub struct DigitsError {
    /// The line, from 1.
    pub line: usize,
    /// Its beginning.
    pub text: String,
}

/// Most lines of a digits file.
const MAX_LINES: usize = 100_000;

impl Points {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The vector of one.
    pub fn vector(&self, at: usize) -> &[f32] {
        &self.vectors[at * self.features..(at + 1) * self.features]
    }

    /// Those at `places`, in that order.
    pub fn pick(&self, places: &[usize]) -> Self {
        let vectors = places.iter().flat_map(|at| self.vector(*at)).copied().collect();
        let labels = places.iter().map(|at| self.labels[*at]).collect();
        Self { vectors, labels, ..*self }.with_shape(self.features, self.classes)
    }

    fn with_shape(mut self, features: usize, classes: usize) -> Self {
        (self.features, self.classes) = (features, classes);
        self
    }

    /// Adds one at the end.
    pub fn push(&mut self, vector: &[f32], label: usize) {
        debug_assert_eq!(vector.len(), self.features);
        self.vectors.extend_from_slice(vector);
        self.labels.push(label);
    }

    /// Another order, by a seed.
    pub fn shuffled(&self, seed: u64) -> Self {
        self.pick(&Stream::new("study points", seed, 0).permutation(self.len()))
    }

    /// Gaussian clouds, one a class, whose centres lie `apart` from the origin in random directions.
    pub fn blobs(count: usize, features: usize, classes: usize, apart: f32, seed: u64) -> Self {
        let mut dice = Stream::new("study blobs", seed, 0);
        let centres: Vec<Vec<f32>> = (0..classes)
            .map(|_| {
                let centre: Vec<f32> = (0..features).map(|_| dice.normal()).collect();
                let length = centre.iter().map(|x| x * x).sum::<f32>().sqrt();
                centre.iter().map(|x| x / length * apart).collect()
            })
            .collect();
        let mut points = Self { features, classes, ..Self::default() };
        for _ in 0..count {
            let label = dice.below(classes);
            let vector: Vec<f32> = centres[label].iter().map(|x| x + dice.normal()).collect();
            points.push(&vector, label);
        }
        points
    }

    /// The handwritten digits: lines of 64 brightnesses from 0 to 16, which become 0 to 1, and the digit.
    ///
    /// # Errors
    /// The first line that is anything else, or no line at all.
    pub fn digits(csv: &[u8]) -> Result<Self, DigitsError> {
        let mut points = Self { features: 64, classes: 10, ..Self::default() };
        for (line, bytes) in csv.split(|byte| *byte == b'\n').enumerate() {
            let text = String::from_utf8_lossy(bytes);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let error = || DigitsError { line: line + 1, text: text.chars().take(60).collect() };
            let numbers: Vec<f32> = text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| error())?;
            let fits = |(at, x): (usize, &f32)| (0.0..=if at == 64 { 9.0 } else { 16.0 }).contains(x);
            if numbers.len() != 65 || line >= MAX_LINES || !numbers.iter().enumerate().all(fits) {
                return Err(error());
            }
            let vector: Vec<f32> = numbers[..64].iter().map(|x| x / 16.0).collect();
            points.push(&vector, numbers[64] as usize);
        }
        if points.is_empty() { Err(DigitsError { line: 1, text: String::new() }) } else { Ok(points) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_read() {
        let line = |brightness: &str, digit: usize| format!("{},{digit}", vec![brightness; 64].join(","));
        let csv = format!("{}\r\n{}\n\n", line("8", 3), line("16.0", 9));
        let points = Points::digits(csv.as_bytes()).unwrap();
        assert_eq!((points.len(), &points.labels[..]), (2, &[3usize, 9][..]));
        assert_eq!((points.vector(0)[5], points.vector(1)[63]), (0.5, 1.0));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(Points::digits(b"").is_err());
        assert!(Points::digits(b"1,2,3").unwrap_err().to_string().starts_with("line 1 "));
        assert!(Points::digits(format!("{}NaN", "1,".repeat(64)).as_bytes()).is_err());
        assert!(Points::digits(format!("{}10", "1,".repeat(64)).as_bytes()).is_err());
    }

    #[test]
    fn blobs_have_every_class_and_are_always_the_same() {
        let points = Points::blobs(100, 5, 3, 4.0, 1);
        assert_eq!(points, Points::blobs(100, 5, 3, 4.0, 1));
        assert!((0..3).all(|class| points.labels.contains(&class)));
        assert_eq!(points.pick(&[7, 3]).vector(1), points.vector(3));
        assert_eq!(points.shuffled(2).len(), 100);
    }

    proptest! {
        #[test]
        fn garbage_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Points::digits(&bytes);
        }
    }
}
