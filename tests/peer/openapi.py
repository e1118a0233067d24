"""The API as others read its description: openapi-spec-validator, jsonschema and schemathesis, which share no code with us.

    python openapi.py validate FILE   FILE is the description; every example in it is held to its schema
    python openapi.py try FILE        FILE has the description, the service's address, and whom to call as

Tries every operation as everybody: what is answered must be described, by status, media type and schema, and never a 5xx but 501. What is sent
follows from a fixed seed, so that a second run does the same.
"""

import base64
import hashlib
import json
import sys
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

# Of the caller that an operation is for, sent as described and otherwise; of each other caller, as described.
OWN, OTHERWISE, OTHERS = 6, 4, 1
CALLER_OF = {"apiKey": "rp", "adminToken": "admin", "adminSession": "staff", "accessToken": "holder", "terminalToken": "terminal", "dpop": "holder"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def validate(document):
    from jsonschema import Draft202012Validator
    from openapi_spec_validator import OpenAPIV31SpecValidator

    errors = [f"{list(error.path)}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
    held = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            places = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (media for place in places for media in place.get("content", {}).values()):
                if "example" in media:
                    schema = {"components": document["components"], **media["schema"]}
                    for error in Draft202012Validator(schema).iter_errors(media["example"]):
                        errors.append(f"the example of {method} {path}: {list(error.path)}: {error.message}")
                    held += 1
    if errors:
        sys.exit("\n".join(errors))
    print(f"valid, with {held} examples")


class Dpop:
    """A proof for each request (RFC 9449), by an `AuthBase` of requests. Without a token, that of a phone without one."""

    def __init__(self, key, token, now):
        number = int.from_bytes(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)), "big")
        self.key, self.token, self.now = ec.derive_private_key(number, ec.SECP256R1()), token, now
        point = self.key.public_key().public_numbers()
        x, y = (base64url(part.to_bytes(32, "big")) for part in (point.x, point.y))
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def __call__(self, request):
        claims = {"jti": uuid.uuid4().hex, "htm": request.method, "htu": request.url.split("?")[0], "iat": self.now}
        if self.token:
            claims["ath"] = base64url(hashlib.sha256(self.token.encode()).digest())
            request.headers["Authorization"] = f"DPoP {self.token}"
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        request.headers["DPoP"] = f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        return request


class Bearer:
    """A token, a session, or none, whatever was generated."""

    def __init__(self, said):
        self.said = said

    def __call__(self, request):
        for name in ("Authorization", "DPoP", "Cookie", "X-CSRF-Token"):
            request.headers.pop(name, None)
        if "bearer" in self.said:
            request.headers["Authorization"] = f"Bearer {self.said['bearer']}"
        if "cookie" in self.said:
            request.headers["Cookie"], request.headers["X-CSRF-Token"] = self.said["cookie"], self.said["csrf"]
        return request


def auth_of(caller, said, now, token=True):
    if "key" in said:
        return Dpop(said["key"], said["token"] if token else None, now)
    return Bearer(said)


def try_all(about):
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance, response_schema_conformance, status_code_conformance)

    # What is not offered here (501) is no error of a server; that it is described is checked with every other status.
    def no_malfunction(context, response, case):
        return None if response.status_code == 501 else not_a_server_error(context, response, case)

    checks = [no_malfunction, status_code_conformance, content_type_conformance, response_schema_conformance]
    base, now, found, sent = about["base"], about["now"], {}, [0]
    session = requests.Session()
    session.trust_env = False

    def attempt(operation, auth, mode, times):
        @seed(1)
        @settings(max_examples=times, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def once(case):
            if mode is GenerationMode.NEGATIVE and case.path_parameters:
                # What is no segment of a path is another address.
                case.path_parameters = {name: "red_01ARZ3NDEKTSV4RRFFQ69G5FAV" for name in case.path_parameters}
            sent[0] += 1
            response = case.call(base_url=base, session=session, auth=auth, allow_redirects=False)
            try:
                case.validate_response(response, checks=checks)
            except BaseException as error:  # A group of failures is no Exception.
                if isinstance(error, KeyboardInterrupt):
                    raise
                parts = getattr(error, "exceptions", [error])
                for part in parts:
                    words = " ".join(str(part).split())[:400]
                    found.setdefault(f"{operation.label}: {response.status_code} {words[:80]}", words)

        try:
            once()
        except Exception as error:
            found.setdefault(f"{operation.label}: {type(error).__name__}", " ".join(str(error).split())[:400])

    schema = schemathesis.openapi.from_dict(about["document"])
    for result in schema.get_all_operations():
        operation = result.ok()
        wanted = operation.definition.raw.get("security") or [{}]
        schemes = list(wanted[0])
        own = CALLER_OF[schemes[0]] if schemes else "nobody"
        streams = "text/event-stream" in operation.definition.raw["responses"].get("200", {}).get("content", {})
        for caller, said in about["callers"].items():
            # A stream ends after minutes: whoever may listen is not tried, only who may not. And a session is ended by nobody but its own.
            if caller == own and (streams or operation.label == "DELETE /v1/admin/session"):
                continue
            auth = auth_of(caller, said, now, token=schemes != ["dpop"])
            attempt(operation, auth, GenerationMode.POSITIVE, OWN if caller == own else OTHERS)
            if caller == own and (operation.body or operation.query):
                attempt(operation, auth, GenerationMode.NEGATIVE, OTHERWISE)
    if found:
        sys.exit("\n".join(f"{place}\n    {words}" for place, words in sorted(found.items())))
    print(f"{sent[0]} requests, every answer as described")


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        about = json.load(file)
    {"validate": validate, "try": try_all}[sys.argv[1]](about)


main()
