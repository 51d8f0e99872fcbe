"""A bill of materials: ``python -m tests.sbom`` prints what an installed airflow-wxa brings along, as CycloneDX 1.6."""

import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "airflow-wxa"


def closure(name: str = ROOT) -> dict[str, Distribution]:
    """Return a distribution and all that it needs here, without extras of its own, by canonical name."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset())]
    seen = set(waiting)
    while waiting:
        wanted, extras = waiting.pop()
        try:
            found[wanted] = installed = distribution(wanted)
        except PackageNotFoundError:  # for another platform, though no marker says so
            continue
        for requirement in map(Requirement, installed.requires or ()):
            needs = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            marker = requirement.marker
            if needs not in seen and (
                marker is None or any(marker.evaluate({"extra": each}) for each in extras | {""})
            ):
                seen.add(needs)
                waiting.append(needs)
    return found


def licence(installed: Distribution) -> str:
    """Return the licence as its metadata say it, the expression first."""
    told: Any = installed.metadata  # a message of email, as its type does not say
    classified = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or () if each.startswith("License")]
    text = (told.get("License") or "").splitlines()[:1]  # some put the whole licence there
    return told.get("License-Expression") or ", ".join(classified) or "".join(text)


def component(installed: Distribution) -> dict[str, Any]:
    name, version = canonicalize_name(installed.name), installed.version
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"license": {"name": licence(installed)}}],
    }


def sbom() -> dict[str, Any]:
    parts = closure()
    own = component(parts.pop(ROOT))
    components = [component(parts[name]) for name in sorted(parts)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": own}, "components": components}


if __name__ == "__main__":
    json.dump(sbom(), sys.stdout, indent=1, ensure_ascii=False)
