use proptest::prelude::*;

use super::*;

fn table(rows: &[&[f32]]) -> Table {
    let mut table = Table::new(rows[0].len());
    rows.iter().enumerate().for_each(|(at, row)| table.push(format!("c{at}"), row).unwrap());
    table
}

#[test]
fn a_value_is_minus_the_gradient_along_the_column() {
    let table = table(&[&[1.0, 0.0, -2.0], &[0.0, 0.0, 0.0], &[1e-6, -1e-6, 0.0]]);
    let values = table.values(&[0.5, 1.0, 2.0]).unwrap();
    assert!((values[0] - 3.5).abs() < 1e-3 && values[1] == 0.0 && (values[2] - 5e-7).abs() < 1e-9, "{values:?}");
}

#[test]
fn without_takes_the_column_away() {
    let table = table(&[&[0.25, -0.5], &[1.0, 1.0]]);
    assert_eq!(table.without(&[1.0, 1.0], 0).unwrap(), [0.75, 1.5]);
    assert!(matches!(table.without(&[1.0, 1.0], 2), Err(TableError::Column { column: 2, columns: 2 })));
    assert!(matches!(table.without(&[1.0], 0), Err(TableError::Parameters { expected: 2, found: 1 })));
}

#[test]
fn merged_columns_are_sums() {
    let table = table(&[&[0.25, -0.5], &[1.0, 1.0], &[0.5, 0.5]]);
    let merged = table.merge(&[("a".into(), vec![0, 2]), ("b".into(), vec![1]), ("none".into(), vec![])]).unwrap();
    assert_eq!(merged.names(), ["a", "b", "none"]);
    assert_eq!(merged.column(0).unwrap(), [0.75, 0.0]);
    assert_eq!(merged.column(2).unwrap(), [0.0, 0.0]);
    assert!(table.merge(&[("x".into(), vec![3])]).is_err());
}

#[test]
fn a_column_that_is_not_finite_is_refused() {
    let mut table = Table::new(1);
    assert!(matches!(table.push("x".into(), &[f32::NAN]), Err(TableError::NotFinite)));
    assert!(table.push("x".repeat(300), &[1.0]).is_err());
}

#[test]
fn hostile_files_are_refused() {
    let good = table(&[&[1.0, 2.0]]).to_bytes().unwrap();
    let tensor = |dtype, shape: Vec<usize>, bytes: &[u8], scale: f32, names: &str| {
        let scale_bytes = scale.to_le_bytes();
        let dtheta = TensorView::new(dtype, shape, bytes).unwrap();
        let scale = TensorView::new(Dtype::F32, vec![1], &scale_bytes).unwrap();
        let metadata = HashMap::from([("columns".to_owned(), names.to_owned())]);
        safetensors::serialize([("dtheta", dtheta), ("scale", scale)], Some(metadata)).unwrap()
    };
    let bytes = [0u8; 4];
    assert!(Table::from_bytes(&good).is_ok());
    assert!(Table::from_bytes(&tensor(Dtype::F16, vec![1, 2], &bytes, 1.0, "[\"a\"]")).is_ok());
    for (hostile, why) in [
        (tensor(Dtype::BF16, vec![1, 2], &bytes, 1.0, "[\"a\"]"), "another kind"),
        (tensor(Dtype::F16, vec![2], &bytes, 1.0, "[\"a\"]"), "no matrix"),
        (tensor(Dtype::F16, vec![2, 1], &bytes, 1.0, "[\"a\"]"), "more rows than names"),
        (tensor(Dtype::F16, vec![1, 2], &bytes, f32::INFINITY, "[\"a\"]"), "infinite scale"),
        (tensor(Dtype::F16, vec![1, 2], &bytes, -1.0, "[\"a\"]"), "negative scale"),
        (tensor(Dtype::F16, vec![1, 2], &bytes, 1.0, "{}"), "names that are no list"),
        (tensor(Dtype::F16, vec![1, 2], &[0, 0x7c, 0, 0], 1.0, "[\"a\"]"), "infinite number"),
        (good[..good.len() - 1].to_vec(), "truncated"),
    ] {
        assert!(Table::from_bytes(&hostile).is_err(), "{why}");
    }
}

proptest! {
    #[test]
    fn a_table_survives_its_file(
        rows in proptest::collection::vec(proptest::collection::vec(-1e3f32..1e3, 5), 0..6)
    ) {
        let mut table = Table::new(5);
        for (at, row) in rows.iter().enumerate() {
            table.push(format!("column {at}"), row).unwrap();
        }
        let read = Table::from_bytes(&table.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(&read, &table);
        for (at, row) in rows.iter().enumerate() {
            let largest = row.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            for (found, expected) in read.column(at).unwrap().iter().zip(row) {
                prop_assert!((found - expected).abs() <= largest / 2048.0);
            }
        }
    }

    #[test]
    fn garbage_is_never_a_table(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Table::from_bytes(&bytes).is_err());
    }
}
