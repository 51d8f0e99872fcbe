"""Rules about the way to the host: its name, the connection, TLS, and the clocks at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.doctor.finding import NotLookedAtError, Seen, rule
from airflow_wxa.cli.durations import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.cli.doctor.patient import Patient

_SKEW_SECONDS: Final = 300  # half of the ten minutes by which the receiver refuses a push as a replay


@rule("DNS")
def dns(patient: Patient) -> Iterator[Seen]:
    """Look whether the host's name resolves; behind a proxy, the proxy resolves it."""
    if patient.probe.failure == "dns":
        yield Seen(
            "the host's name cannot be resolved",
            f"host {patient.read.egress.host}",
            "look for a typing error in the Connection's host; else let this machine reach a name server, or set "
            "extra proxy",
        )


@rule("connection to the host")
def unreachable(patient: Patient) -> Iterator[Seen]:
    """Look whether the host, or the proxy before it, takes connections from this machine."""
    if patient.probe.failure == "dns":
        raise NotLookedAtError("the host's name cannot be resolved")
    if patient.probe.failure in {"connection", "proxy"}:
        egress = patient.read.egress
        yield Seen(
            "the host cannot be reached",
            f"host {egress.host}: {patient.probe.said}" + (", extra proxy is set" if egress.proxy else ""),
            "open the firewall from every worker, the triggerer and this machine to the host, or correct extra proxy, "
            "HTTPS_PROXY and NO_PROXY",
        )


@rule("TLS")
def tls(patient: Patient) -> Iterator[Seen]:
    """Look whether an https host speaks TLS and shows a certificate that this machine trusts."""
    if patient.probe.failure in {"dns", "connection", "proxy"}:
        raise NotLookedAtError("the host does not answer")
    if patient.probe.failure == "tls":
        yield Seen(
            "no TLS connection to the host",
            f"host {patient.read.egress.host}: {patient.probe.said}",
            "correct host and port; behind a proxy that opens TLS, name its certificates in extra ca_bundle; for the "
            "sandbox write http://",
        )
    elif patient.read.egress.host.startswith("http://"):
        raise NotLookedAtError("the host is plain http")


@rule("clock")
def clock(patient: Patient) -> Iterator[Seen]:
    """Compare this machine's clock with the host's: pushes ten minutes off are refused as replays."""
    skew = patient.answer.skew
    if skew is None:
        raise NotLookedAtError("the host's answer has no Date")
    if abs(skew) >= _SKEW_SECONDS:
        yield Seen(
            f"this machine's clock is {in_words(abs(skew))} {'ahead' if skew > 0 else 'behind'}",
            f"compared with the Date of {patient.read.egress.host}",
            "switch time synchronisation on (timedatectl set-ntp true, or chrony) on every machine of Airflow",
        )
