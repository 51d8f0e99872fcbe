"""``ext_json`` of commit: a string that holds JSON, checked against the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox import errors
from airflow_wxa.sandbox.errors import RefusalError
from airflow_wxa.sandbox.gate import strict_json

if TYPE_CHECKING:
    from airflow_wxa.sandbox.platforms import Template

STANDARD_KEYS = frozenset({"extAppid", "ext", "window"})
STANDARD_TEMPLATE = 1


def checked_pages(ext_json: object, template: Template, appid: str) -> list[str]:
    """Return the pages that the trial version will have.

    :param ext_json: as it came; anything but a string is refused, an object above all.
    :param appid: the account that the token stands for.
    :raises RefusalError: 85048, 85013, 49001, 9402203, 85045, 85046 or 85047.
    """
    ext = _parsed(ext_json)
    if ext.get("extAppid", appid) != appid:
        raise RefusalError(errors.APPID_TOKEN_MISMATCH)
    if template.template_type == STANDARD_TEMPLATE and not ext.keys() <= STANDARD_KEYS:
        raise RefusalError(errors.STANDARD_TEMPLATE_EXT_JSON)
    pages = _pages(ext, template)
    _check_paths(_page_settings(ext), template.pages)
    _check_paths(_subpackage_pages(ext), template.pages)
    _check_tab_bar(ext, pages)
    return pages


def _parsed(ext_json: object) -> dict[str, Any]:
    if not isinstance(ext_json, str):
        raise RefusalError(errors.EXT_JSON_UNPARSABLE)
    try:
        ext = strict_json(ext_json)
    except (ValueError, RecursionError) as error:
        raise RefusalError(errors.EXT_JSON_UNPARSABLE) from error
    if not isinstance(ext, dict):
        raise RefusalError(errors.INVALID_EXT_JSON)
    return ext


def _pages(ext: dict[str, Any], template: Template) -> list[str]:
    """Return ``pages`` of ext_json, which replace the template's and may only choose among them."""
    if "pages" not in ext:
        return list(template.pages)
    pages = _list(ext["pages"])
    if not pages:
        raise RefusalError(errors.PAGES_EMPTY)
    _check_paths(pages, template.pages)
    return list(pages)


def _page_settings(ext: dict[str, Any]) -> list[Any]:
    settings = ext.get("extPages", {})
    if not isinstance(settings, dict):
        raise RefusalError(errors.INVALID_EXT_JSON)
    return list(settings)


def _subpackage_pages(ext: dict[str, Any]) -> list[Any]:
    paths: list[Any] = []
    for package in _list(ext.get("subpackages", [])):
        if not isinstance(package, dict) or not isinstance(package.get("root"), str):
            raise RefusalError(errors.INVALID_EXT_JSON)
        root = package["root"].strip("/")
        paths += [f"{root}/{page}" for page in _list(package.get("pages", []))]
    return paths


def _check_tab_bar(ext: dict[str, Any], pages: list[str]) -> None:
    tab_bar = ext.get("tabBar", {})
    if not isinstance(tab_bar, dict):
        raise RefusalError(errors.INVALID_EXT_JSON)
    for entry in _list(tab_bar.get("list", [])):
        if not isinstance(entry, dict) or not entry.get("pagePath"):
            raise RefusalError(errors.TABBAR_PATH_MISSING)
        _check_paths([entry["pagePath"]], pages)


def _check_paths(paths: list[Any], known: list[str]) -> None:
    if not all(path in known for path in paths):
        raise RefusalError(errors.EXT_JSON_PATH_NOT_EXIST)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise RefusalError(errors.INVALID_EXT_JSON)
    return value
