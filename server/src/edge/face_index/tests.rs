use proptest::prelude::*;
use wallet_core::face::Space;

use super::*;

const WIDTH: usize = 128;

fn vector(axis: usize) -> Embedding {
    let raw: Vec<f32> = (0..WIDTH).map(|i| if i == axis { 1.0 } else { 0.01 }).collect();
    Embedding::normalise(Space::UNKNOWN, &raw).unwrap()
}

fn filled(count: u8) -> FaceIndex {
    let mut index = FaceIndex::empty(WIDTH);
    for number in 0..count {
        index.change(number.into(), Some(&vector(number.into())), number.into()).unwrap();
    }
    index
}

#[test]
fn finds_what_was_added_and_not_what_was_removed() {
    let mut index = filled(100);
    assert_eq!(index.nearest(&vector(42), 1).unwrap(), [42]);
    index.change(42, None, 100).unwrap();
    index.change(7_000, None, 101).unwrap();
    assert!(!index.nearest(&vector(42), 200).unwrap().contains(&42));
    assert_eq!((index.revision(), index.len()), (101, 99));
}

#[test]
fn what_was_removed_is_overwritten() {
    let mut index = filled(3);
    index.change(1, None, 3).unwrap();
    assert!(index.values[WIDTH..2 * WIDTH].iter().all(|value| *value == 0));
    assert_eq!(index.signs[2..4], [0, 0]);
}

#[test]
fn numbers_rise_and_widths_fit() {
    let mut index = filled(3);
    assert!(index.change(2, Some(&vector(2)), 3).is_err());
    let narrow = Embedding::normalise(Space::UNKNOWN, &[0.5; 64]).unwrap();
    assert!(index.change(3, Some(&narrow), 3).is_err() && index.nearest(&narrow, 1).is_err());
}

#[test]
fn a_file_is_read_back_and_a_spoilt_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let indexes = FaceIndexes::in_folder(folder.path().join("face-groups"));
    let (vault, group) = (Vault::new(&[1; 32]), FaceGroupId::first_at(jiff::Timestamp::UNIX_EPOCH));
    let mut index = filled(20);
    index.change(3, None, 20).unwrap();
    indexes.keep(&vault, group, &index).unwrap();
    assert_eq!(indexes.kept().unwrap(), [group]);
    let mut back = indexes.load(&vault, group, WIDTH);
    assert_eq!((back.revision(), back.len()), (20, 19));
    assert_eq!(back.nearest(&vector(5), 3).unwrap(), index.nearest(&vector(5), 3).unwrap());
    back.change(21, Some(&vector(7)), 21).unwrap();
    assert!(indexes.load(&vault, group, 64).is_empty(), "of another width");
    let whole = index.to_bytes();
    for keep in [0, 7, 8, 31, 32, 40, whole.len() - 1] {
        assert!(FaceIndex::from_bytes(&whole[..keep], WIDTH).is_err(), "{keep}");
    }
    indexes.forget(group).unwrap();
    assert!(indexes.kept().unwrap().is_empty() && indexes.load(&vault, group, WIDTH).is_empty());
}

proptest! {
    #[test]
    fn every_kind_of_processor_lists_alike(seeds in prop::collection::vec(0..50_usize, 1..60), probe in 0..50_usize) {
        let mut index = FaceIndex::empty(WIDTH);
        for (number, seed) in (0..).zip(seeds) {
            index.change(number, Some(&vector(seed)), 1).unwrap();
        }
        let probe = vector(probe);
        prop_assert_eq!(index.listed(probe.values()), index.list(probe.values()));
    }
}
