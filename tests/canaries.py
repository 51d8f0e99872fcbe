"""The sandbox's secrets, in every spelling that a search for them must find."""

import base64
import json
from urllib.parse import quote, quote_plus

from airflow_wxa.sandbox import testing

CANARIES = (
    testing.MERCHANT_TOKEN,
    testing.PLATFORM_TOKEN,
    testing.COMPONENT_APPSECRET,
    testing.COMPONENT_VERIFY_TICKET,
    testing.REFRESH_TOKEN,
    testing.PUSH_TOKEN,
    testing.ENCODING_AES_KEY,
)


def spellings(secret: str) -> set[bytes]:
    """Return the secret raw, URL-encoded, JSON-escaped, in hexadecimal, and as base64 at any offset in another text."""
    escaped = json.dumps(secret)[1:-1]
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped, escaped.replace("/", "\\/")}
    forms.add(secret.encode().hex())
    for shift in range(3):
        inner = base64.b64encode(b"x" * shift + secret.encode())[4:-8].decode()  # what its neighbours have no part in
        forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return {form.encode() for form in forms if form}
