//! Which records share a column while a training is followed: for quotes and for the audit, and never for pay.
//!
//! Each record has its own while there are few. Of more, as many neighbours as it takes share one, all of them given
//! together, so that a column is somebody's. What an answer pays follows from sums by what was given together
//! ([`pay`](super::pay)), which are the same however records lie in columns.

use super::audit::Belonging;

impl Belonging {
    /// Columns of records in their order, at most `columns` of them, as fine as that allows. `parts` says of what was
    /// given together how many records it has and whose it is. Where there are more parts than columns, each source has
    /// one.
    pub fn in_lots(parts: &[(usize, usize)], columns: usize) -> Self {
        let records: usize = parts.iter().map(|(records, _)| records).sum();
        let of_size = |size: usize| parts.iter().map(|(records, _)| records.div_ceil(size)).sum::<usize>();
        if parts.len() > columns {
            let sources: Vec<usize> =
                parts.iter().flat_map(|(records, source)| std::iter::repeat_n(*source, *records)).collect();
            let count = sources.iter().max().map_or(0, |last| last + 1);
            return Self::by_contributor(&sources, count);
        }
        // The smallest size that fits, by halves: a greater one never makes more columns.
        let (mut small, mut fits) = (0, records.max(1));
        while fits - small > 1 {
            let middle = small + (fits - small) / 2;
            if of_size(middle) <= columns { fits = middle } else { small = middle }
        }
        let (mut column_of, mut contributor_of) = (Vec::with_capacity(records), Vec::new());
        for (records, source) in parts {
            for at in 0..*records {
                if at.is_multiple_of(fits) {
                    contributor_of.push(*source);
                }
                column_of.push(Some(contributor_of.len() - 1));
            }
        }
        Self { column_of, contributor_of }
    }

    /// Whether each record is a column, in their order.
    pub fn is_by_record(&self) -> bool {
        self.column_of.iter().enumerate().all(|(record, column)| *column == Some(record))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_records_have_columns_of_their_own_and_more_share_them() {
        assert!(Belonging::in_lots(&[(2, 0), (3, 1)], 5).is_by_record());
        let shared = Belonging::in_lots(&[(5, 0), (1, 0), (3, 1)], 5);
        assert_eq!(shared.column_of, [0, 0, 0, 1, 1, 2, 3, 3, 3].map(Some));
        assert!(shared.columns() <= 5 && !shared.is_by_record());
        assert_eq!(
            Belonging::in_lots(&[(5, 0), (1, 0), (3, 1)], 2),
            Belonging::by_contributor(&[0, 0, 0, 0, 0, 0, 1, 1, 1], 2)
        );
    }

    proptest! {
        #[test]
        fn a_column_is_somebodys_and_there_are_never_too_many(
            sizes in prop::collection::vec((1usize..40, 0usize..4), 1..20), columns in 20usize..200,
        ) {
            let lots = Belonging::in_lots(&sizes, columns);
            prop_assert!(lots.columns() <= columns);
            let whose = sizes.iter().flat_map(|(records, source)| std::iter::repeat_n(*source, *records));
            for (column, source) in lots.column_of.iter().zip(whose) {
                prop_assert_eq!(lots.contributor_of[column.unwrap()], source);
            }
        }
    }
}
