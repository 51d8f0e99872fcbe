"""Single calls without a decision: a state that holds already is no failure, and sent twice they do no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.api.audit import Media, uploadmedia
from airflow_wxa.api.call import Call, body_schema
from airflow_wxa.api.code import get_qrcode
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.unlisted import without_tokens
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.steps.outcome import Step, TrialQrcodeOutcome
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping


def plain_call(endpoint: str, appid: str | None, fields: Mapping[str, Any]) -> Step[dict[str, Any]]:
    """Send one call of the catalogue, and return WeChat's answer without anything that may be a token.

    :param endpoint: name of a read, or of a write that the catalogue calls ``plain``.
    :param appid: whose token; ``None``: the platform's.
    :param fields: of the body, by WeChat's names; digits are a number where WeChat wants one.
    :raises WxaSpecError: no such endpoint, or one with steps of its own; or the body breaks its schema.
    """
    row = CATALOGUE.get(endpoint)
    if row is None or row.holds_secrets or row.binary or (row.writes and not row.plain):
        why = Text("endpoint_is_not_in_the_catalogue" if row is None else "endpoint_has_its_own_steps")
        problem = Text("problem_of_endpoint", endpoint=repr(endpoint), problem=why)
        raise WxaSpecError(Text("endpoint_is_not_plain"), [problem], appid=appid)
    if row.method == "GET":
        call = Call(row, appid, query={name: str(value) for name, value in fields.items()})
    else:
        kinds = {name: each.get("type") for name, each in body_schema(endpoint).get("properties", {}).items()}
        call = Call(row, appid, {name: _number(value, kinds.get(name)) for name, value in fields.items()})
    reply = yield call
    answer: dict[str, Any] = without_tokens({**reply.answer, "errcode": reply.errcode})
    return answer


def trial_qrcode(appid: str, path: str) -> Step[TrialQrcodeOutcome]:
    """Read the QR code of the trial version (体验版), which testers and admins can open.

    :param path: the page that it opens, with its query; ``""``: the first one.
    """
    return TrialQrcodeOutcome("read", appid, path, (yield get_qrcode(appid, path)).image)


def upload_media(appid: str, media: Media) -> Step[dict[str, Any]]:
    """Upload a picture or a video for ``preview_info`` of a submission; return ``{"mediaid", "type"}``.

    Media ids expire (85092), so it is uploaded anew for each submission.
    """
    answer = (yield uploadmedia(appid, media)).answer
    return {"mediaid": answer["mediaid"], "type": answer.get("type", "")}


def _number(value: Any, kind: Any) -> Any:
    return int(value) if kind == "integer" and isinstance(value, str) and value.isdecimal() else value
