//! Against a naive tree, the vectors of RFC 6962's own implementations, and somebody else's library.

use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Hash as TheirHash, HashReader};

use super::edge::Edge;
use super::entry::{Act, Evidence, EvidenceError, Salts, commit};
use super::note::{Checkpoint, LogKey, NoteError, VerifierKey};
use super::proof::{Proof, ProofError, includes, is_consistent};
use super::tiles::{FULL, FromTiles, MissingTile, Tile, TilePath, bundle, from_bundle};
use super::tree::{Hash, consistency, empty_root, inclusion, leaf_hash, node_hash, root};

/// RFC 9162 §2.1.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// A tree grown leaf by leaf, with all of its tiles.
fn grown(leaves: &[Hash]) -> (Edge, Vec<Tile>) {
    let (mut edge, mut tiles) = (Edge::default(), Vec::new());
    leaves.iter().for_each(|leaf| edge.push(*leaf, &mut tiles));
    tiles.extend(edge.tiles());
    (edge, tiles)
}

fn nodes(tiles: &[Tile]) -> FromTiles<impl FnMut(u8, u64) -> Result<Vec<Hash>, MissingTile>> {
    FromTiles::new(|level, index| {
        let found = tiles.iter().find(|tile| (tile.level, tile.index) == (level, index));
        Ok(found.map(|tile| tile.hashes.clone()).unwrap_or_default())
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The eight entries and the roots that Certificate Transparency's reference implementation tests itself with.
#[test]
fn the_vectors_of_certificate_transparency_hold() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let of = |count: usize| hex(&grown(&leaves[..count]).0.root());
    assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(of(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(of(2), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    assert_eq!(of(3), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
    assert_eq!(of(7), "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
    assert_eq!(of(8), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

/// Their tree, filled with the same leaves.
struct Theirs(Vec<TheirHash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

impl Theirs {
    fn grown(leaves: &[Hash]) -> Theirs {
        let mut theirs = Theirs(Vec::new());
        for (number, leaf) in (0..).zip(leaves) {
            let stored =
                tlog_tiles::stored_hashes_for_record_hash(number, TheirHash(*leaf), &theirs).unwrap();
            theirs.0.extend(stored);
        }
        theirs
    }
}

fn ours(hashes: &[TheirHash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_and_proofs_are_those_of_the_naive_tree_and_of_somebody_elses(
        size in 1_usize..1500, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let (leaves, index, earlier) = (leaves(size), one.index(size), other.index(size) + 1);
        let (edge, tiles) = grown(&leaves);
        let (whole, before) = (naive_root(&leaves), naive_root(&leaves[..earlier]));
        prop_assert_eq!(edge.root(), whole);
        prop_assert_eq!(Edge::restore(size as u64, &tiles), Ok(edge));
        let mut nodes = nodes(&tiles);
        prop_assert_eq!(root(&mut nodes, earlier as u64), Ok(before));

        let theirs = Theirs::grown(&leaves);
        let (size, index, earlier) = (size as u64, index as u64, earlier as u64);
        let path = inclusion(&mut nodes, index, size).unwrap();
        prop_assert_eq!(&path, &ours(&tlog_tiles::prove_record(size, index, &theirs).unwrap()));
        prop_assert!(includes(&leaves[one.index(leaves.len())], index, size, &whole, &path));
        let link = consistency(&mut nodes, earlier, size).unwrap();
        prop_assert_eq!(&link, &ours(&tlog_tiles::prove_tree(size, earlier, &theirs).unwrap()));
        prop_assert!(is_consistent((earlier, &before), (size, &whole), &link));
    }

    #[test]
    fn a_proof_of_something_else_does_not_hold(size in 2_usize..600, one in any::<prop::sample::Index>(), bit in 0_usize..256) {
        let (leaves, index) = (leaves(size), one.index(size));
        let (edge, tiles) = grown(&leaves);
        let (whole, mut nodes, size) = (edge.root(), nodes(&tiles), size as u64);
        let path = inclusion(&mut nodes, index as u64, size).unwrap();
        let holds = |leaf: &Hash, index: usize, size: u64, path: &[Hash]| includes(leaf, index as u64, size, &whole, path);
        let flipped = |hash: &Hash| { let mut hash = *hash; hash[bit / 8] ^= 1 << (bit % 8); hash };
        prop_assert!(!holds(&flipped(&leaves[index]), index, size, &path));
        prop_assert!(!holds(&leaves[index], (index + 1) % leaves.len(), size, &path));
        prop_assert!(!holds(&leaves[index], index, index as u64, &path));
        prop_assert!(!holds(&leaves[index], index, size, &path[1..]));
        prop_assert!(!holds(&leaves[index], index, size, &[path.as_slice(), &[whole]].concat()));
        let changed: Vec<Hash> = path.iter().map(flipped).collect();
        prop_assert!(!holds(&leaves[index], index, size, &changed));
        let earlier = index as u64 + 1;
        let before = naive_root(&leaves[..=index]);
        let link = consistency(&mut nodes, earlier, size).unwrap();
        prop_assert!(!is_consistent((earlier, &flipped(&before)), (size, &whole), &link));
        prop_assert!(!is_consistent((earlier, &before), (size, &flipped(&whole)), &link));
        if !link.is_empty() {
            prop_assert!(!is_consistent((earlier, &before), (size, &whole), &link[1..]));
        }
        prop_assert!(!is_consistent((size, &whole), (earlier, &before), &link) || earlier == size);
    }

    #[test]
    fn no_text_makes_the_readers_fall_over(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = key();
        let _ = (Proof::parse(&text), VerifierKey::parse(&text), TilePath::parse(&text), from_bundle(&bytes));
        let _ = Checkpoint::open(&format!("{text}\n\n— {text}\n"), key.verifier());
    }

    #[test]
    fn a_tiles_address_reads_back(level in prop::option::of(0_u8..8), index in any::<u64>(), width in 1..=FULL) {
        let path = TilePath { level, index, width };
        prop_assert_eq!(TilePath::parse(&path.to_string()), Some(path));
    }
}

#[test]
fn a_tile_has_one_address_and_it_is_theirs() {
    for index in [0, 7, 999, 1000, 1_234_067] {
        for width in [256, 3] {
            let theirs = tlog_tiles::Tile::new(8, 1, index, width, false).path();
            let ours = TilePath { level: Some(1), index, width: usize::try_from(width).unwrap() }.to_string();
            assert!(theirs.ends_with(&ours), "{theirs} {ours}");
        }
    }
    for bad in [
        "1/7",
        "1/x000/007",
        "1/1000",
        "1/000.p/0",
        "1/000.p/256",
        "9/000",
        "+1/000",
        "entries/",
        "1/-01",
        "1/000.p/03",
    ] {
        assert_eq!(TilePath::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_bundle_reads_back() {
    let entries = [[1; 32], [2; 32]];
    assert_eq!(from_bundle(&bundle(&entries)), Some(entries.to_vec()));
    assert_eq!((from_bundle(&bundle(&entries)[1..]), from_bundle(&[0, 31])), (None, None));
}

fn key() -> LogKey {
    LogKey::new("log.example.org/ecert", &[7; 32]).unwrap()
}

#[test]
fn somebody_elses_library_reads_our_checkpoint() {
    let (key, whole) = (key(), naive_root(&leaves(5)));
    let note = key.sign(5, whole);
    let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (signed, others) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((signed.len(), others.len()), (1, 0));
    let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("log.example.org/ecert", 5, whole));
}

#[test]
fn a_checkpoint_holds_as_it_was_signed_and_in_no_other_way() {
    let (key, whole) = (key(), naive_root(&leaves(5)));
    let note = key.sign(5, whole);
    let expected = Checkpoint { origin: "log.example.org/ecert".to_owned(), size: 5, root: whole };
    assert_eq!(Checkpoint::open(&note, key.verifier()), Ok(expected.clone()));
    assert_eq!(VerifierKey::parse(&key.verifier().to_string()).as_ref(), Ok(key.verifier()));
    let witnessed = format!("{note}— witness.example AAAAAAAA\n");
    assert_eq!(Checkpoint::open(&witnessed, key.verifier()), Ok(expected));
    let refused = |note: &str| Checkpoint::open(note, key.verifier()).unwrap_err();
    assert_eq!(refused(&note.replacen("\n5\n", "\n6\n", 1)), NoteError::Signature);
    assert_eq!(refused(&note.replacen("\n5\n", "\n05\n", 1)), NoteError::Form);
    assert_eq!(
        refused(&note.replacen("log.example.org/ecert\n", "log.example.org/other\n", 1)),
        NoteError::Origin
    );
    assert_eq!(
        refused(&LogKey::new("log.example.org/ecert", &[8; 32]).unwrap().sign(5, whole)),
        NoteError::Signature
    );
    assert_eq!(refused(note.trim_end()), NoteError::Form);
    assert_eq!(refused(""), NoteError::Form);
    assert!(LogKey::new("a log", &[7; 32]).is_err() && LogKey::new("a+b", &[7; 32]).is_err());
}

fn act(id: &str) -> Act {
    let [action, actor, object, outcome] =
        ["certificate.revoke", "paper", "crt_1", "done"].map(str::to_owned);
    Act { action, actor, at: 1, id: id.to_owned(), object, outcome }
}

#[test]
fn evidence_discloses_one_act_and_proves_it() {
    let (key, salts) = (key(), Salts::new([3; 32]));
    let texts: Vec<String> =
        (0..300).map(|number| act(&format!("aud_{number}")).to_text().unwrap()).collect();
    let entries: Vec<[u8; 32]> =
        (0..).zip(&texts).map(|(number, text)| commit(&salts.of(&format!("aud_{number}")), text)).collect();
    let (edge, tiles) = grown(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>());
    let path = inclusion(&mut nodes(&tiles), 258, 300).unwrap();
    let proof = Proof { index: 258, path, checkpoint: key.sign(300, edge.root()) };
    assert_eq!(Proof::parse(&proof.to_text()).as_ref(), Ok(&proof));
    let evidence = Evidence::new(texts[258].clone(), &salts.of("aud_258"), &proof);
    assert_eq!(evidence.verify(key.verifier()), Ok(act("aud_258")));

    let another = Evidence { act: texts[257].clone(), ..evidence.clone() };
    assert_eq!(another.verify(key.verifier()), Err(EvidenceError::Proof(ProofError::NotIncluded)));
    let moved = Evidence { proof: evidence.proof.replacen("index 258", "index 257", 1), ..evidence.clone() };
    assert_eq!(moved.verify(key.verifier()), Err(EvidenceError::Proof(ProofError::NotIncluded)));
    let salted = Evidence { salt: "AAAA".to_owned(), ..evidence.clone() };
    assert_eq!(salted.verify(key.verifier()), Err(EvidenceError::Form));
    assert_eq!(Proof::parse("c2sp.org/tlog-proof@v1\nindex x\n\n"), Err(ProofError::Form));
}
