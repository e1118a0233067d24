"""The independent reader of our wire formats: python-cwt for COSE, cbor2 for CBOR, cryptography for X.509.

usage: formats.py VECTORS

Judges every E-cert, code and CWT status list of the folder VECTORS by the words of docs and CDDL, with no line of our code, and
prints {"verdicts": {file: {case: accepted}}, "made": [E-certs of its own making, base64url]} as JSON.
"""
import base64
import datetime
import io
import json
import sys
import zlib

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cwt import COSE, COSEKey

LIST_TYP = "application/statuslist+cwt"
ATTRIBUTES = {"over_18", "name", "sex", "ethnicity", "birth_date", "address", "document_number"}
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


class Refused(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Refused(why)


def unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def item(data, most):
    """The one item that `data` is, in its deterministic encoding: what is written back must be the same."""
    need(len(data) <= most, "large")
    stream = io.BytesIO(data)
    value = cbor2.CBORDecoder(stream).decode()
    need(not stream.read(1), "trailing")
    again = cbor2.dumps(value, canonical=True)
    # cbor2 orders keys by length first (RFC 7049), which for our keys is the same order.
    need(again == data, "not deterministic")
    return value


def seconds(value):
    need(type(value) is int and 0 <= value <= 253402300799, "time")
    return value


def text(value, most=256):
    need(type(value) is str and 1 <= len(value.encode()) <= most, "text")
    return value


def octets(value, length):
    need(type(value) is bytes and len(value) == length, "bytes")
    return value


def key_of(x, y, private=None):
    ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()).public_key()
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256"}
    parts = {"x": x, "y": y} | ({"d": private} if private else {})
    for name, part in parts.items():
        jwk[name] = base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    return COSEKey.from_jwk(jwk)


def public(certificate):
    point = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key_of(point[1:33], point[33:])


def sign1(data, labels, most):
    """The protected header and the payload of a COSE_Sign1 of ours."""
    message = item(data, most)
    need(isinstance(message, cbor2.CBORTag) and message.tag == 18, "tag")
    need(isinstance(message.value, (list, tuple)) and len(message.value) == 4, "parts")
    protected, unprotected, payload, signature = message.value
    need(unprotected == {}, "unprotected")
    need(type(protected) is bytes and type(payload) is bytes, "kinds")
    octets(signature, 64)
    header = item(protected, most)
    need(isinstance(header, dict) and set(header) == {1, *labels} and header[1] == -7, "header")
    return header, item(payload, most)


def signer_of(chain, root, now):
    """The signer's certificate, believed by the root."""
    need(isinstance(chain, (list, tuple)) and len(chain) == 2, "chain")
    need(all(type(der) is bytes for der in chain), "chain")
    signer, issuing = map(x509.load_der_x509_certificate, chain)
    at = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    for below, above in [(issuing, root), (signer, issuing)]:
        below.verify_directly_issued_by(above)
        need(below.not_valid_before_utc <= at <= below.not_valid_after_utc, "chain's time")
    return signer


def e_cert(case, trust):
    data, now = unpad(case["certificate"]), instant(case["now"])
    header, claims = sign1(data, [33], 8192)
    need(isinstance(claims, dict), "claims")
    need(set(claims) == {1, 4, 6, 7, 8, 65535, -65537, -65538}, "claims")
    text(claims[1])
    octets(claims[7], 16)
    need(isinstance(claims[8], dict) and set(claims[8]) == {1}, "cnf")
    key = claims[8][1]
    need(isinstance(key, dict) and set(key) == {1, -1, -2, -3} and (key[1], key[-1]) == (2, 1), "key")
    key_of(octets(key[-2], 32), octets(key[-3], 32))
    status = claims[65535]
    need(isinstance(status, dict) and set(status) == {"status_list"}, "status")
    place = status["status_list"]
    need(isinstance(place, dict) and set(place) == {"idx", "uri"}, "place")
    need(type(place["idx"]) is int and 0 <= place["idx"] < 2**32, "idx")
    text(place["uri"])
    need(claims[-65537] in ("IAL1", "IAL2"), "level")
    digests = claims[-65538]
    need(isinstance(digests, dict) and digests and set(digests) <= ATTRIBUTES, "digests")
    for digest in digests.values():
        octets(digest, 32)
    signer = signer_of(header[33], trust["root"], now)
    COSE.new().decode(data, public(signer))
    need(seconds(claims[6]) <= now < seconds(claims[4]), "time")
    if "status_list" in case:
        in_force(case["status_list"], place, now)


def in_force(token, place, now):
    """By the JWT's claims; its signature is verified by another library in the stories of receipts."""
    claims = json.loads(unpad(token.split(".")[1]))
    need(claims["sub"] == place["uri"] and claims["iat"] <= now < claims["exp"], "list")
    need(bits(zlib.decompress(unpad(claims["status_list"]["lst"])), place["idx"]) == 0, "revoked")


def bits(packed, index):
    need(index // 4 < len(packed), "beyond")
    return packed[index // 4] >> index % 4 * 2 & 3


def status_list(case, trust):
    data, now = unpad(case["cwt"]), instant(case["now"])
    header, claims = sign1(data, [16, 33], 6 << 20)
    need(header[16] == LIST_TYP, "typ")
    signer = signer_of(header[33], trust["root"], now)
    COSE.new().decode(data, public(signer))
    need(isinstance(claims, dict) and {2, 4, 6, 65533} <= set(claims), "claims")
    need(claims[2] == case["uri"], "another list")
    need(seconds(claims[6]) <= now < seconds(claims[4]), "time")
    ttl = claims.get(65534, 1)
    need(type(ttl) is int and ttl > 0, "ttl")
    need(isinstance(claims[65533], dict) and claims[65533]["bits"] == 2, "bits")
    stream = zlib.decompressobj()
    packed = stream.decompress(claims[65533]["lst"], (1 << 22) + 1)
    need(0 < len(packed) <= 1 << 22 and stream.eof and not stream.unused_data, "lst")
    for place, status in case.get("statuses", {}).items():
        need(bits(packed, int(place)) == status, "status")


def base45(letters):
    data = bytearray()
    for start in range(0, len(letters), 3):
        group = [BASE45.index(letter) for letter in letters[start:start + 3]]
        need(len(group) > 1, "base45")
        number = sum(value * 45**place for place, value in enumerate(group))
        data += number.to_bytes(len(group) - 1, "big")
    return bytes(data)


def code(case, trust):
    letters, now = case["text"], instant(case["now"])
    if not letters.startswith("EC1:"):
        digits = letters.replace(" ", "").replace("-", "")
        need(len(digits) == 16 and digits.isascii() and digits.isdigit(), "digits")
        need(digits[0] == "1" and int(digits) % 97 == 1, "check digits")
        return
    need(len(letters) <= 260, "long")
    data = base45(letters[4:])
    message = item(data, 192)
    need(isinstance(message, cbor2.CBORTag) and message.tag == 18 and len(message.value) == 4, "form")
    protected, unprotected, payload, signature = message.value
    need((protected, unprotected) == (bytes.fromhex("a10126"), {}), "header")
    octets(signature, 64)
    parts = item(payload, 192)
    need(isinstance(parts, (list, tuple)) and len(parts) == 5, "payload")
    handle, iat, exp, jti, share = parts
    octets(handle, 16)
    octets(jti, 8)
    need(type(share) is int and 1 <= share <= 3, "share")
    COSE.new().decode(data, trust["device"], external_aad=b"ecert-q1")
    need(0 < exp - iat <= 60 and iat - 30 <= now <= exp + 30, "time")


def instant(written):
    return int(datetime.datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp())


def verdict(judge, case, trust):
    """Whether the case is accepted. Any error of the libraries is a refusal: it is what a reader sees."""
    try:
        judge(case, trust)
        return True
    except RecursionError:
        raise
    except Exception:
        return False


def own_certificates(trust, vectors):
    """E-certs by this library, with the test signer's key."""
    good = json.load(open(f"{vectors}/certificates.json"))["cases"][0]
    _, claims = sign1(unpad(good["certificate"]), [33], 8192)
    made = []
    for cti, level in [(b"\x21" * 16, "IAL1"), (b"\x22" * 16, "IAL2")]:
        claims = claims | {7: cti, -65537: level}
        payload = cbor2.dumps(claims, canonical=True)
        protected = {1: -7, 33: trust["chain"]}
        data = COSE.new(deterministic_header=True).encode(payload, trust["signer"], protected=protected)
        made.append(base64.urlsafe_b64encode(data).rstrip(b"=").decode())
    return made


def private(scalar):
    number = int.from_bytes(scalar, "big")
    point = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    point = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key_of(point[1:33], point[33:], scalar)


def main():
    vectors = sys.argv[1]
    said = json.load(open(f"{vectors}/trust.json"))
    trust = {
        "root": x509.load_der_x509_certificate(base64.b64decode(said["root"])),
        "chain": [base64.b64decode(der) for der in said["chain"]],
        "device": private(unpad(said["device_key"])),
        "signer": private(unpad(said["signer_key"])),
    }
    verdicts = {}
    for file, judge in [("certificates", e_cert), ("codes", code), ("status_lists", status_list)]:
        cases = json.load(open(f"{vectors}/{file}.json"))["cases"]
        cases = [case for case in cases if file != "status_lists" or "cwt" in case]
        verdicts[file] = {case["name"]: verdict(judge, case, trust) for case in cases}
    print(json.dumps({"verdicts": verdicts, "made": own_certificates(trust, vectors)}))


if __name__ == "__main__":
    main()
