"""Search what a run of the suite left behind for the sandbox's secrets, in every spelling.

``pytest --basetemp=DIR; python -m tests.canaries DIR`` prints how much was searched and each hit, and exits 1 when
there are any: stores, databases, exports, logs in files. Log lines at DEBUG are searched by the tests that overhear
them, since Airflow replaces the handlers of a run when it sets up its own logging. Inputs that a test writes for a
command to read (worlds, CSV files, tickets) hold secrets by design: name what to leave out with ``--inputs``.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
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


def main() -> int:
    """Search, print, and tell by the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--inputs", nargs="*", default=[], help="patterns of files that hold secrets by design")
    options = parser.parse_args()
    files = [
        file for path in options.paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
    ]
    searched = [file for file in files if not any(file.match(pattern) for pattern in options.inputs)]
    wanted = {form: number for number, secret in enumerate(CANARIES) for form in spellings(secret)}
    hits, size = [], 0
    for file in searched:
        content = file.read_bytes()
        size += len(content)
        hits += [f"{file}: secret {number}" for form, number in wanted.items() if form in content]
    print(f"{len(searched)} files, {size / 1e6:.1f} MB searched for {len(CANARIES)} secrets: {len(hits)} hits")
    print("\n".join(hits))
    return 1 if hits else 0


if __name__ == "__main__":
    raise SystemExit(main())
