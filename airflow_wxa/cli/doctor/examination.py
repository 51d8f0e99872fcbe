"""Let all rules look, and keep what they found, what was fine, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_wxa.cli.doctor.finding import Finding, Level, NotLookedAtError, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.cli.doctor.patient import Patient

__all__ = ["Examination", "examined"]


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of it.

    :param findings: in the order of the rules.
    :param fine: rules that looked and found nothing.
    :param not_looked_at: rules that could not look, and why.
    """

    findings: Sequence[Finding]
    fine: Sequence[Rule]
    not_looked_at: Mapping[Rule, str]

    @property
    def exit_code(self) -> int:
        """0 when nothing of level error was found."""
        return int(any(each.level is Level.ERROR for each in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "findings": [
                {
                    "rule": each.rule,
                    "level": each.level.value,
                    "what": each.what,
                    "which": each.which,
                    "fix": each.fix,
                }
                for each in self.findings
            ],
            "looked_at": [each.key for each in self.fine],
            "not_looked_at": [{"rule": each.key, "reason": reason} for each, reason in self.not_looked_at.items()],
        }


def examined(patient: Patient, rules: Sequence[Rule]) -> Examination:
    """Let each rule look at the patient."""
    findings: list[Finding] = []
    fine: list[Rule] = []
    not_looked_at: dict[Rule, str] = {}
    for each in rules:
        found: list[Finding] = []
        try:
            for seen in each.look(patient):
                found.append(Finding(each.key, each.level, seen.what, seen.which, seen.fix))  # noqa: PERF401
        except NotLookedAtError as why:
            if not found:  # what it had found before it got stuck is a finding all the same
                not_looked_at[each] = why.reason
        else:
            if not found:
                fine.append(each)
        findings += found
    return Examination(findings, fine, not_looked_at)
