"""Reads a transparency log of ours as a stranger would, and says what of it holds.

Nothing of ours is used: the tree is RFC 9162 as its text says, the note is C2SP signed-note, and Ed25519 is that of the package
`cryptography`. Called as `transparency_log.py KEY`, with JSON on the input:
{"checkpoint": note, "earlier": note, "entries": [hex], "evidence": {"act", "salt", "proof"}}, and prints the act.
Leaves the process with an error that says what does not hold.
"""

import base64
import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves):
    """RFC 9162, 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def consistency_path(m, leaves, whole=True):
    """RFC 9162, 2.1.4.1."""
    n = len(leaves)
    if m == n:
        return [] if whole else [tree_hash(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return consistency_path(m, leaves[:k], whole) + [tree_hash(leaves[k:])]
    return consistency_path(m - k, leaves[k:], False) + [tree_hash(leaves[:k])]


def check_inclusion(leaf, index, size, path, root):
    """RFC 9162, 2.1.3.2."""
    assert index < size, "the index lies beyond the tree"
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn != 0, "the inclusion proof is too long"
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0 and r == root, "the inclusion proof does not lead to the root"


def check_consistency(first, first_root, second, second_root, path):
    """RFC 9162, 2.1.4.2."""
    if first == second:
        assert not path and first_root == second_root, "two roots of one size"
        return
    if first & (first - 1) == 0:
        path = [first_root] + path
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        assert sn != 0, "the consistency proof is too long"
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0 and fr == first_root and sr == second_root, "the log does not go on from the earlier one"


def open_note(note, vkey):
    """C2SP signed-note and tlog-checkpoint: the size and the root."""
    name, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    assert key[0] == 1, "not an Ed25519 key"
    expected_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    assert expected_id.hex() == key_id, "the key's id is not its own"
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    ours = []
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob, validate=True)
        if dash == "\u2014" and signer == name and blob[:4] == expected_id:
            ours.append(blob[4:])
    assert ours, "not signed by the log"
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(ours[0], text.encode())
    origin, size, root = text.splitlines()[:3]
    assert origin == name, "the checkpoint of another log"
    return int(size), base64.b64decode(root, validate=True)


def main():
    vkey, given = sys.argv[1], json.load(sys.stdin)
    size, root = open_note(given["checkpoint"], vkey)
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in given["entries"]]
    assert len(leaves) == size and tree_hash(leaves) == root, "the entries do not make the root"

    earlier_size, earlier_root = open_note(given["earlier"], vkey)
    path = consistency_path(earlier_size, leaves)
    check_consistency(earlier_size, earlier_root, size, root, path)

    evidence = given["evidence"]
    salt = base64.urlsafe_b64decode(evidence["salt"] + "=" * (-len(evidence["salt"]) % 4))
    assert len(salt) == 32, "a salt of another length"
    commitment = hmac.new(salt, evidence["act"].encode(), hashlib.sha256).digest()
    head, checkpoint = evidence["proof"].split("\n\n", 1)
    header, index, *path = head.splitlines()
    assert header == "c2sp.org/tlog-proof@v1", "not a tlog-proof"
    index = int(index.removeprefix("index "))
    proven_size, proven_root = open_note(checkpoint, vkey)
    path = [base64.b64decode(line, validate=True) for line in path]
    check_inclusion(leaf_hash(commitment), index, proven_size, path, proven_root)
    print(evidence["act"])


if __name__ == "__main__":
    main()
