"""What Airflow discovers of this provider: the Connection type and its form, and the section ``[wxa]``."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-wxa",
        "name": "WeChat Mini Programs",
        "description": "Release WeChat Mini Programs: business domains first, then code, audit and release.",
        "integrations": [
            {
                "integration-name": "WeChat third-party platform",
                "external-doc-url": "https://developers.weixin.qq.com/doc/oplatform/",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": "WeChat third-party platform",
                "python-modules": ["airflow_wxa.operators.domains", "airflow_wxa.operators.code"],
            }
        ],
        "sensors": [
            {
                "integration-name": "WeChat third-party platform",
                "python-modules": ["airflow_wxa.sensors.polling"],
            }
        ],
        "hooks": [
            {
                "integration-name": "WeChat third-party platform",
                "python-modules": ["airflow_wxa.hooks.wxa"],
            }
        ],
        "triggers": [
            {
                "integration-name": "WeChat third-party platform",
                "python-modules": ["airflow_wxa.triggers.polling"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "wxa",
                "hook-class-name": "airflow_wxa.hooks.wxa.WxaHook",
                "hook-name": "WeChat Mini Program platform",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "login", "password"],
                    "relabeling": {"host": "API host"},
                    "placeholders": {"host": "empty: https://api.weixin.qq.com"},
                },
                # Hyphens in these two keys: other spellings are ignored in silence.
                "conn-fields": _CONNECTION_FIELDS,
            }
        ],
        "config": {
            "wxa": {
                "description": "How often the sensors of the WeChat provider look.",
                "options": {
                    "privacy_poll_seconds": _seconds_between("the privacy scan of committed code"),
                    "audit_poll_seconds": _seconds_between("the review of an audit sheet"),
                },
            }
        },
    }


_CONNECTION_FIELDS: dict[str, Any] = {
    "authorizer_access_tokens": {
        "label": "Merchant tokens",
        "schema": {"type": ["string", "null"], "format": "password"},
        "description": 'JSON object appid → authorizer_access_token, e.g. {"wx…": "…"}. Fixed: nothing refreshes them. '
        "A call for an appid that is not in it fails before anything is sent.",
    },
    "component_access_token": {
        "label": "Platform token",
        "schema": {"type": ["string", "null"], "format": "password"},
        "description": "Fixed component_access_token, for the platform's own list of business domains.",
    },
    "timeout": {
        "label": "Timeout (seconds)",
        "schema": {"type": ["number", "null"], "default": 10},
        "description": "For connecting, and for each read.",
    },
    "proxy": {
        "label": "Proxy",
        "schema": {"type": ["string", "null"]},
        "description": "URL of the proxy; empty: as the worker's environment says.",
    },
    "ca_bundle": {
        "label": "CA bundle",
        "schema": {"type": ["string", "null"]},
        "description": "Path, on the worker, of the certificates to trust; empty: the usual ones.",
    },
    "allow_http": {
        "label": "Allow plain http",
        "schema": {"type": ["boolean", "null"], "default": False},
        "description": "Tokens ride in URLs: plain http is refused unless the host is loopback, or this is set.",
    },
}


def _seconds_between(what: str) -> dict[str, Any]:
    return {
        "description": f"Seconds between two looks at {what}; WeChat needs about a minute, or days.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "60",
    }
