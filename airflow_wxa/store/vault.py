"""Encryption of secrets in the store: Fernet, with keys that rotate.

A user who may write to the database could copy one merchant's ciphertext into another's row. So ciphertext is bound to
its place, in the eight bytes that Fernet signs for a time: a hash of the place with the highest bit set. A time has
that bit not set, so what an older version wrote, which is bound to no place, stays readable; and that version can read
ours.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOUND: Final = 1 << 63


class Vault:
    """Encrypts with the first key, decrypts with any.

    :param keys: Fernet keys (32 bytes as URL-safe base64), the newest first.
    :raises WxaSpecError: no key, or something that is none; keys are not shown.
    """

    def __init__(self, keys: Sequence[str | Secret]) -> None:
        problems = [] if keys else [Text("there_is_no_key")]
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key.reveal() if isinstance(key, Secret) else key))
            except ValueError:
                problems.append(Text("key_is_malformed", number=number, count=len(keys)))
        if problems:
            raise WxaSpecError(Text("encryption_keys_are_refused"), problems)
        self._fernet = MultiFernet(fernets)

    def lock(self, secret: Secret, *place: str) -> str:
        """Return the secret as it rests in one place.

        :param place: its name: the keys of the row, the column.
        """
        return self._fernet.encrypt_at_time(secret.reveal().encode(), _bound_to(place)).decode()

    def unlock(self, locked: str | None, *place: str) -> Secret | None:
        """Return what rests in a place, ``None`` for nothing.

        :raises WxaSpecError: it was written with a key that is not among ours, or for another place.
        """
        if locked is None:
            return None
        try:
            secret = Secret(self._fernet.decrypt(locked.encode()).decode())
        except InvalidToken:
            raise WxaSpecError(Text("secret_is_of_another_key"), [Text("no_key_opens_the_secret")]) from None
        written_for = int.from_bytes(base64.urlsafe_b64decode(locked)[1:9], "big")
        if written_for >= _BOUND and written_for != _bound_to(place):
            raise WxaSpecError(
                Text("secret_is_of_another_place"),
                [Text("secret_is_of_another_row", place=" ".join(each or "the platform" for each in place))],
            )
        return secret


def _bound_to(place: Sequence[str]) -> int:
    return _BOUND | int.from_bytes(hashlib.sha256("\0".join(place).encode()).digest()[:8], "big")
