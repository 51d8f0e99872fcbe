"""Pushes sealed as WeChat seals them, by the sandbox, which shares no encoder with the code under test."""

from airflow_wxa.api.push import Envelope, PushKeys
from airflow_wxa.sandbox import encrypt


def sealed(keys: PushKeys, text: str, *, timestamp: int, nonce: str = "nonce") -> Envelope:
    """Sign and encrypt a push with a platform's current key."""
    made = encrypt(
        text,
        push_token=keys.token.reveal(),
        encoding_aes_key=keys.encoding_aes_key.reveal(),
        component_appid=keys.component_appid,
        timestamp=timestamp,
        nonce=nonce,
    )
    return Envelope(made.params["msg_signature"], made.params["timestamp"], made.params["nonce"], made.content)
