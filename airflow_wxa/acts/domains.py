"""Acts on domains: business domains and server domains, of a Mini Program and of the platform."""

from dataclasses import dataclass
from typing import Any

from airflow_wxa.acts.act import OfMiniProgram
from airflow_wxa.steps import Step, read_effective_server_domains


@dataclass(frozen=True)
class EffectiveServerDomains(OfMiniProgram):
    """Read a Mini Program's server domains by where they were set, and which are effective.

    Returns ``{"mp_domain", "third_domain", "direct_domain", "effective_domain"}``, each lists by kind; what WeChat does
    not tell is left out.
    """

    def step(self) -> Step[dict[str, Any]]:
        """Read them."""
        told = yield from read_effective_server_domains(self.appid)
        return {name: {kind: sorted(domains) for kind, domains in lists.items()} for name, lists in told.items()}
