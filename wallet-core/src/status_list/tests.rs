use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate;

use super::*;
use crate::chain::tests::TestChain;

const URI: &str = "https://x.test/1";

fn validity() -> Validity {
    let (ttl, lifetime) = (SignedDuration::from_secs(60), SignedDuration::from_secs(3600));
    Validity { issued_at: Timestamp::UNIX_EPOCH, ttl, lifetime }
}

fn key() -> SigningKey {
    SigningKey::generate_from_rng(&mut rand::rng())
}

type Verdict = Result<VerifiedStatusList, StatusListRefused>;

/// As a JWT and as a CWT, read back for `uri` at `second`.
fn read_back(list: &StatusList, key: &SigningKey, uri: &str, second: i64) -> [Verdict; 2] {
    let now = Timestamp::from_second(second).unwrap();
    let jwt = list.sign_jwt(URI, validity(), &[], key).unwrap();
    let cwt = list.sign_cwt(URI, validity(), &[], key).unwrap();
    let public = key.into();
    let trust = Trust::Key(&public);
    [StatusList::verify_jwt(&jwt, uri, trust, now), StatusList::verify_cwt(&cwt, uri, trust, now)]
}

#[test]
fn what_was_published_is_what_is_read() {
    let (key, mut list) = (key(), StatusList::default());
    list.set(5, Status::Invalid);
    list.set(6, Status::Suspended);
    list.set(CAPACITY - 1, Status::Invalid);
    for read in read_back(&list, &key, URI, 0) {
        let read = read.unwrap();
        let statuses: Vec<_> = [4, 5, 6, 7, CAPACITY - 1, CAPACITY].map(|index| read.get(index)).into();
        use Status::{Invalid, Suspended, Valid};
        let expected = [Some(Valid), Some(Invalid), Some(Suspended), Some(Valid), Some(Invalid), None];
        assert_eq!(statuses, expected);
    }
    let other = read_back(&list, &key, "https://x.test/2", 0);
    assert_eq!(other, [Err(StatusListRefused::OtherList), Err(StatusListRefused::OtherList)]);
}

#[test]
fn a_list_that_was_held_back_is_not_believed() {
    let (key, list) = (key(), StatusList::default());
    let verdicts =
        [-1, 0, 3599, 3600].map(|second| read_back(&list, &key, URI, second).map(|read| read.is_ok()));
    assert_eq!(verdicts, [[false; 2], [true; 2], [true; 2], [false; 2]]);
}

#[test]
fn a_full_list_of_random_statuses_is_read_at_the_largest_size_too() {
    let key = key();
    for entries in [CAPACITY, MAX_ENTRIES] {
        let mut list = StatusList::with_entries(entries);
        let random = |_| rand::random_range(0..3) | rand::random_range(0..3) << 2;
        list.packed.iter_mut().for_each(|byte| *byte = random(()) | random(()) << 4);
        for read in read_back(&list, &key, URI, 0) {
            assert!(*read.unwrap().list() == list);
        }
    }
}

#[test]
fn a_signer_under_the_root_is_believed_by_its_chain_and_no_other() {
    let (chain, other) = (TestChain::new(), TestChain::new());
    let issued_at = "2026-11-22T00:00:00Z".parse().unwrap();
    let (list, validity) = (StatusList::default(), Validity { issued_at, ..validity() });
    let jwt = list.sign_jwt(URI, validity, &chain.certificates, &chain.signer).unwrap();
    let cwt = list.sign_cwt(URI, validity, &chain.certificates, &chain.signer).unwrap();
    let verdicts = |root: &[u8]| {
        let trust = Trust::Root(root);
        let jwt = StatusList::verify_jwt(&jwt, URI, trust, issued_at);
        [jwt, StatusList::verify_cwt(&cwt, URI, trust, issued_at)].map(|read| read.map(drop))
    };
    assert_eq!(verdicts(&chain.root), [Ok(()), Ok(())]);
    let refused = Err(StatusListRefused::Chain(crate::chain::ChainRefused::NotTrusted));
    assert_eq!(verdicts(&other.root), [refused, refused]);
}

#[test]
fn a_bomb_is_given_up_where_a_full_list_ends() {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(StatusList::decompress(&bomb), Err(StatusListRefused::TooLarge));
}

#[test]
fn the_specifications_packing_of_two_bits() {
    // §4.2: entry 0 stands in the lowest bits of byte 0.
    let mut list = StatusList::with_entries(5);
    for (index, status) in
        [(0, Status::Invalid), (1, Status::Suspended), (2, Status::Valid), (4, Status::Invalid)]
    {
        list.set(index, status);
    }
    assert_eq!((list.packed.as_slice(), list.entries()), (&[0b0000_1001, 0b0000_0001][..], 8));
}
