"""What Airflow discovers of this provider: the Connection type and its form, and the section ``[wxa]``."""

from __future__ import annotations

from typing import Any

_INTEGRATION = "WeChat third-party platform"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-wxa",
        "name": "WeChat Mini Programs",
        "description": "Release WeChat Mini Programs: business domains first, then code, audit and release.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developers.weixin.qq.com/doc/oplatform/",
                "tags": ["service"],
            }
        ],
        "operators": _modules(
            "operators.domains",
            "operators.code",
            "operators.audit",
            "operators.approval",
            "operators.platform_domains",
            "operators.rollback",
            "operators.call",
            "operators.fleet",
        ),
        "sensors": _modules("sensors.polling"),
        "hooks": _modules("hooks.wxa"),
        "triggers": _modules("triggers.polling", "triggers.audit_change", "triggers.fleet"),
        "connection-types": [
            {
                "connection-type": "wxa",
                "hook-class-name": "airflow_wxa.hooks.wxa.WxaHook",
                "hook-name": "WeChat Mini Program platform",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "API host",
                        "login": "component_appid",
                        "password": "component_appsecret",
                    },
                    "placeholders": {
                        "host": "empty: https://api.weixin.qq.com",
                        "port": "0: as the host says; Test refuses an empty one",
                        "login": "the platform's appid, wx…",
                    },
                },
                # Hyphens in these two keys: other spellings are ignored in silence.
                "conn-fields": _CONNECTION_FIELDS,
            }
        ],
        "extra-links": [
            f"airflow_wxa.links.{name}"
            for name in ("VerificationFileLink", "WxaErrcodeLink", "WxaMiniProgramLink", "WxaTrialQrcodeLink")
        ],
        "notifications": ["airflow_wxa.notifications.WxaNotifier"],
        "cli": ["airflow_wxa.cli.airflow_group.get_wxa_cli_commands"],
        "config": {
            "wxa": {
                "description": "The WeChat provider: how often sensors look, where tokens and screenshots are kept.",
                "options": {
                    "privacy_poll_seconds": _seconds_between("the privacy scan of committed code"),
                    "audit_poll_seconds": _seconds_between("the review of an audit sheet"),
                    "sql_alchemy_conn": _secret_text(
                        "SQLAlchemy URL of the store: PostgreSQL, a database and a role of its own. Empty: a SQLite "
                        "file in AIRFLOW_HOME, for executors on one machine only.",
                    ),
                    "encryption_keys": _secret_text(
                        "Fernet keys for the secrets in the store, newest first, joined by commas. Empty: "
                        "[core] fernet_key.",
                    ),
                    "push_conn_ids": _PUSH_CONN_IDS,
                    "forward_pushes_to": _FORWARD_PUSHES_TO,
                    "screenshot_dir": _SCREENSHOT_DIR,
                    "manifest_folder": _MANIFEST_FOLDER,
                },
            }
        },
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    return [{"integration-name": _INTEGRATION, "python-modules": [f"airflow_wxa.{name}" for name in names]}]


def _secret_field(label: str, description: str) -> dict[str, Any]:
    return {
        "label": label,
        "schema": {"type": ["string", "null"], "format": "password"},
        "description": description,
    }


_CONNECTION_FIELDS: dict[str, Any] = {
    "authorizer_access_tokens": _secret_field(
        "Fixed merchant tokens",
        'JSON object appid → authorizer_access_token, e.g. {"wx…": "…"}, to try a few Mini Programs. Nothing refreshes '
        "them. They come before token_url, and that before component_appid and component_appsecret.",
    ),
    "component_access_token": _secret_field(
        "Fixed platform token", "To try the platform's own list of business domains. Nothing refreshes it."
    ),
    "token_url": {
        "label": "Token server",
        "schema": {"type": ["string", "null"]},
        "description": "https URL of a company server that refreshes tokens and tells them.",
    },
    "token_url_bearer": _secret_field("Token server's bearer", "Sent to the token server as Authorization: Bearer."),
    "push_token": _secret_field("Push token", "Message verification token (消息校验 Token), for the push receiver."),
    "encoding_aes_key": _secret_field("EncodingAESKey", "43 characters (消息加解密 Key), for the push receiver."),
    "previous_encoding_aes_key": _secret_field(
        "Previous EncodingAESKey", "Accepted beside the current one while WeChat changes over."
    ),
    "timeout": {
        "label": "Timeout (seconds)",
        "schema": {"type": ["number", "null"], "default": 10},
        "description": "For connecting, and for each read.",
    },
    "proxy": _secret_field(
        "Proxy", "URL of the proxy, user and password included; empty: as the worker's environment says."
    ),
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


_PUSH_CONN_IDS: dict[str, Any] = {
    "description": "Ids of the Connections that pushes may come for, joined by commas; no other id is looked up.",
    "version_added": "0.1.0",
    "type": "string",
    "example": "wxa_default,wxa_second",
    "default": "wxa_default",
}
_FORWARD_PUSHES_TO: dict[str, Any] = {
    "description": "URL that pushes which are none of ours are handed on to, as they came: https, or http to loopback. "
    "$APPID$ in it stands for the Mini Program's appid. Empty: they are ignored.",
    "version_added": "0.1.0",
    "type": "string",
    "example": "https://service.example.com/wechat/$APPID$",
    "default": "",
}
_SCREENSHOT_DIR: dict[str, Any] = {
    "description": "Folder on the worker, or URL of an object storage as ObjectStoragePath takes it, for the "
    "screenshots of rejected reviews: <appid>/<auditid>/<n>.jpg below it. A folder is made for the owner's eyes only. "
    "Empty: wxa-screenshots in AIRFLOW_HOME.",
    "version_added": "0.1.0",
    "type": "string",
    "example": None,
    "default": "",
}


_MANIFEST_FOLDER: dict[str, Any] = {
    "description": "Folder, or prefix of object storage, below which manifests of fleets and the files that they name "
    "are read. Empty: none is read; a manifest is given as a text.",
    "version_added": "0.1.0",
    "type": "string",
    "example": "s3://conn_id@bucket/manifests",
    "default": "",
}


def _seconds_between(what: str) -> dict[str, Any]:
    return {
        "description": f"Seconds between two looks at {what}; WeChat needs about a minute, or days.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "60",
    }


def _secret_text(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "sensitive": True,
        "example": None,
        "default": "",
    }
