"""Encryption of what rests in the store: Fernet, with keys that rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Vault"]


class Vault:
    """Encrypts with the first key, decrypts with any.

    :param keys: Fernet keys (32 bytes as URL-safe base64), the newest first.
    :raises WxaSpecError: no key, or something that is none; keys are not shown.
    """

    def __init__(self, keys: Sequence[str | Secret]) -> None:
        problems = [] if keys else ["there is no key"]
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key.reveal() if isinstance(key, Secret) else key))
            except ValueError:
                problems.append(f"key {number} of {len(keys)} is not 32 bytes as URL-safe base64")
        if problems:
            raise WxaSpecError(
                "the store cannot be opened: its encryption keys are refused",
                problems,
                why="Secrets in the store are encrypted at rest.",
                next_step="set [wxa] encryption_keys (several, newest first, joined by commas) or [core] fernet_key; "
                "a new key: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
            )
        self._fernet = MultiFernet(fernets)

    def lock(self, secret: Secret) -> str:
        """Return the secret as it rests."""
        return self._fernet.encrypt(secret.reveal().encode()).decode()

    def unlock(self, locked: str | None) -> Secret | None:
        """Return what rests, ``None`` for nothing.

        :raises WxaSpecError: it was written with a key that is not among ours.
        """
        if locked is None:
            return None
        try:
            return Secret(self._fernet.decrypt(locked.encode()).decode())
        except InvalidToken:
            raise _another_key() from None

    def relock(self, locked: str) -> str:
        """Return the same secret locked with the first key; raises as :meth:`unlock` does."""
        try:
            return self._fernet.rotate(locked.encode()).decode()
        except InvalidToken:
            raise _another_key() from None


def _another_key() -> WxaSpecError:
    return WxaSpecError(
        "the store cannot be read: a secret in it was written with another key",
        ["none of the encryption keys opens it"],
        why="Secrets in the store are encrypted; the key they were written with must stay among the keys.",
        next_step="put the former key behind the new one in [wxa] encryption_keys, then run airflow wxa rotate-keys",
    )
