//! The data: reads the embedded images and cuts off the rows for validation.
//!
//! Where they come from, under which licence, and how to check them: `data/README.md`.

use flate2::read::GzDecoder;
use ndarray::{Array1, Array2, s};
use std::io::Read;
use thiserror::Error;

/// Pixels of an image: 8 rows of 8.
pub(crate) const PIXELS: usize = 64;
/// Classes: the digits 0 to 9.
pub(crate) const CLASSES: usize = 10;
/// Rows at the end of the official training part that choose between models and never train one.
pub(crate) const VALIDATION_ROWS: usize = 823;
/// The largest value of a pixel.
const PIXEL_MAX: u8 = 16;
/// What an embedded file may unpack to at most, in bytes; the larger one has 563,639.
const UNPACKED_MAX: u64 = 1 << 20;

const TRAINING_PART: &[u8] = include_bytes!("../data/optdigits.tra.csv.gz");
const TEST_PART: &[u8] = include_bytes!("../data/optdigits.tes.csv.gz");

/// Data that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum Unusable {
    /// The file is not gzip, or is cut off.
    #[error("the embedded {part} part does not unpack")]
    Packed {
        /// Which file.
        part: &'static str,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// A field is not a number in its range.
    #[error("row {row}, field {field}: {text:?} is not a whole number from 0 to {max}")]
    Field {
        /// From 1.
        row: usize,
        /// From 1.
        field: usize,
        /// What stands there.
        text: String,
        /// The largest number allowed there.
        max: u8,
    },
    /// A row has too few or too many fields.
    #[error("row {row} has {fields} fields, expected {}", PIXELS + 1)]
    Width {
        /// From 1.
        row: usize,
        /// How many it has.
        fields: usize,
    },
    /// Too few rows to keep some apart for validation.
    #[error("{rows} rows are too few to set {VALIDATION_ROWS} apart for validation")]
    TooFew {
        /// How many there are.
        rows: usize,
    },
}

/// Images with their digits.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// One image a row, pixels scaled to `0.0..=1.0`.
    pub(crate) images: Array2<f64>,
    /// The digit of each row, below [`CLASSES`].
    pub(crate) labels: Array1<usize>,
}

/// The three parts. Their writers: 30 people wrote training and validation, 13 others the test.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What the weights are fitted to.
    pub(crate) training: Set,
    /// What chooses the epoch, and the point of a sweep.
    pub(crate) validation: Set,
    /// What is measured once, at the end.
    pub(crate) test: Set,
}

impl Set {
    /// How many images.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Reads lines of 64 pixels and a digit, separated by commas.
    fn parse(text: &str) -> Result<Self, Unusable> {
        let mut pixels = Vec::new();
        let mut labels = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let row = at + 1;
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != PIXELS + 1 {
                return Err(Unusable::Width { row, fields: fields.len() });
            }
            for (field, text) in fields.iter().take(PIXELS).enumerate() {
                let value = number(text, row, field + 1, PIXEL_MAX)?;
                pixels.push(f64::from(value) / f64::from(PIXEL_MAX));
            }
            labels.push(usize::from(number(fields[PIXELS], row, PIXELS + 1, 9)?));
        }
        let images = Array2::from_shape_vec((labels.len(), PIXELS), pixels)
            .expect("every row gave PIXELS values");
        Ok(Self { images, labels: Array1::from(labels) })
    }

    /// The rows from `from` to before `to`.
    pub(crate) fn rows(&self, from: usize, to: usize) -> Self {
        Self {
            images: self.images.slice(s![from..to, ..]).to_owned(),
            labels: self.labels.slice(s![from..to]).to_owned(),
        }
    }
}

impl Parts {
    /// Unpacks the embedded data: 3,000 rows for training, 823 for validation, 1,797 for the test.
    ///
    /// Training and test are UCI's own parts. Validation is the last rows of the training part:
    /// the same for every seed, so that the points of a sweep are compared on the same images.
    pub(crate) fn load() -> Result<Self, Unusable> {
        let given = Set::parse(&unpack("training", TRAINING_PART)?)?;
        let test = Set::parse(&unpack("test", TEST_PART)?)?;
        let rows = given.len();
        let cut = rows
            .checked_sub(VALIDATION_ROWS)
            .filter(|&left| left > 0)
            .ok_or(Unusable::TooFew { rows })?;
        Ok(Self { training: given.rows(0, cut), validation: given.rows(cut, rows), test })
    }
}

fn number(text: &str, row: usize, field: usize, max: u8) -> Result<u8, Unusable> {
    text.parse().ok().filter(|&value| value <= max).ok_or_else(|| Unusable::Field {
        row,
        field,
        text: text.to_owned(),
        max,
    })
}

fn unpack(part: &'static str, packed: &[u8]) -> Result<String, Unusable> {
    let mut text = String::new();
    GzDecoder::new(packed)
        .take(UNPACKED_MAX)
        .read_to_string(&mut text)
        .map_err(|source| Unusable::Packed { part, source })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::fmt::Write;

    fn digest(text: &str) -> String {
        Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }

    #[test]
    fn the_embedded_files_are_the_ones_that_uci_publishes() {
        let training = unpack("training", TRAINING_PART).unwrap();
        let test = unpack("test", TEST_PART).unwrap();

        assert_eq!(
            digest(&training),
            "e1b683cc211604fe8fd8c4417e6a69f31380e0c61d4af22e93cc21e9257ffedd"
        );
        assert_eq!(
            digest(&test),
            "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
        );
    }

    #[test]
    fn each_digit_occurs_as_often_as_uci_states() {
        let count = |labels: &[usize]| {
            let mut seen = [0; CLASSES];
            for &label in labels {
                seen[label] += 1;
            }
            seen
        };

        let parts = Parts::load().unwrap();

        let mut trained = parts.training.labels.to_vec();
        trained.extend(parts.validation.labels.iter());
        assert_eq!(count(&trained), [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]);
        assert_eq!(
            count(&parts.test.labels.to_vec()),
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        );
        assert_eq!(
            (parts.training.len(), parts.validation.len(), parts.test.len()),
            (3_000, 823, 1_797)
        );
    }

    #[test]
    fn a_bad_field_is_named_by_row_and_field() {
        let good = vec!["0"; PIXELS + 1].join(",");
        let mut fields = vec!["0"; PIXELS + 1];
        fields[3] = "17";

        let found = Set::parse(&format!("{good}\n{}", fields.join(","))).unwrap_err().to_string();

        assert_eq!(found, "row 2, field 4: \"17\" is not a whole number from 0 to 16");
    }

    #[test]
    fn a_short_row_is_refused() {
        let found = Set::parse("1,2,3").unwrap_err().to_string();

        assert_eq!(found, "row 1 has 3 fields, expected 65");
    }
}
