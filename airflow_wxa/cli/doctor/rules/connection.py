"""Rules about what stands in the Connection, and about the host that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.cli.doctor.finding import NotLookedAtError, Seen, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.cli.doctor.patient import Patient


@rule("Connection")
def connection(patient: Patient) -> Iterator[Seen]:
    """Look for fields that cannot be right, and for any source of tokens at all."""
    refused = patient.parts.other_refusal
    if refused is not None:
        yield Seen.in_error(refused)
    elif patient.parts.read is not None and not patient.has_source:
        yield Seen(
            "the Connection names no source of tokens",
            "login, password, token_url and authorizer_access_tokens are empty",
            "fill in login and password (component_appid, component_appsecret); to try a few Mini Programs, extra "
            "authorizer_access_tokens (appid → token)",
        )


@rule("plain http")
def plain_http(patient: Patient) -> Iterator[Seen]:
    """Look for plain http to another machine: tokens ride in URLs, everybody on the way could read them."""
    if patient.parts.is_plain_http:
        permitted = "; extra allow_http permits it" if patient.parts.allows_http else ""
        yield Seen(
            "tokens would travel readable over the network",
            f"host {patient.parts.host}{permitted}",
            "write https:// in the Connection's host and take allow_http out; plain http is for loopback only",
        )


@rule("push keys")
def push_keys(patient: Patient) -> Iterator[Seen]:
    """Look at the keys of the push receiver: without them no ticket and no authorisation event can be opened."""
    if patient.parts.push_refusal is not None:
        yield Seen(
            "a key of the push receiver cannot be right",
            "; ".join(patient.parts.push_refusal.problems),
            "copy 消息加解密Key (43 letters and digits) and 消息校验Token from the platform's page on "
            "open.weixin.qq.com into extra encoding_aes_key and push_token",
        )
        return
    filled = patient.parts.push_fields
    if not filled:
        raise NotLookedAtError("the Connection has no push keys")
    missing = sorted({"push_token", "encoding_aes_key"} - filled)
    if missing:
        yield Seen(
            "the push receiver refuses every push: half of its keys is missing",
            f"extra {', '.join(missing)} is empty",
            "copy 消息校验Token and 消息加解密Key from the platform's page on open.weixin.qq.com",
        )


@rule("host")
def wrong_host(patient: Patient) -> Iterator[Seen]:
    """Look whether the host is a URL, and whether WeChat's API answers there, not a login page or a proxy."""
    if patient.parts.host_refusal is not None:
        yield Seen(
            "the host is no address of an API",
            "; ".join(patient.parts.host_refusal.problems),
            "empty the Connection's host, which means https://api.weixin.qq.com, or write scheme, host and port",
        )
    elif not patient.answer.is_wechats:
        yield Seen(
            "the host answers, but not as WeChat's API does",
            f"host {patient.read.egress.host}: {patient.answer.said}",
            "empty the Connection's host, which means https://api.weixin.qq.com; if it is right, look at the proxy "
            "that answers in its place",
        )
