"""Verifies webhooks of ours with the Standard Webhooks library for Python.

Reads a JSON array of {"secret", "headers", "body"} and prints, for each, the type of the event, or null where it is refused.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def event_type(case):
    try:
        return Webhook(case["secret"]).verify(case["body"], case["headers"])["type"]
    except WebhookVerificationError:
        return None


json.dump([event_type(case) for case in json.load(sys.stdin)], sys.stdout)
