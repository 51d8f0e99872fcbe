"""Answers in the shape that wechatpy's tests have of them: our readers take each."""

from pathlib import Path

import pytest

from airflow_wxa.api.authorisation import read_authorisation, read_grant, read_granted
from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.api.templates import read_drafts, read_templates
from airflow_wxa.sandbox.testing import APPID

SAMPLES = Path(__file__).parents[1] / "samples"


def reply(name: str) -> Reply:
    return read_reply(Call.to(name, None), 200, (SAMPLES / f"{name}.wechatpy.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "token", "value", "refresh_token"),
    [
        ("api_component_token", "component_access_token", "61_component", None),
        ("api_authorizer_token", "authorizer_access_token", "61_merchant", "refreshtoken@@@2"),
    ],
)
def test_a_token_without_errcode_is_read(name: str, token: str, value: str, refresh_token: str | None) -> None:
    grant = read_grant(reply(name).answer, token)  # type: ignore[arg-type]
    assert (grant.access_token.reveal(), grant.expires_in) == (value, 7200)
    assert (grant.refresh_token.reveal() if grant.refresh_token else None) == refresh_token


def test_an_authorisation_is_read() -> None:
    read = read_authorisation(reply("api_query_auth"))
    assert (read.appid, read.granted) == (APPID, (17, 18, 30))
    assert read.grant is not None
    assert read.grant.refresh_token is not None


def test_what_is_granted_is_read_where_the_appid_has_another_name_and_no_mini_program_is_told() -> None:
    answer = reply("api_get_authorizer_info").answer
    assert "MiniProgramInfo" not in answer["authorizer_info"]
    assert "authorizer_appid" not in answer["authorization_info"]
    assert read_granted(answer["authorization_info"]) == (17, 18, 30)


def test_a_template_without_draft_id_and_type_is_found_by_its_names_and_time() -> None:
    (draft,) = read_drafts(reply("gettemplatedraftlist"))
    newer, older = read_templates(reply("gettemplatelist"))
    assert [(each.template_id, each.draft_id, each.template_type) for each in (newer, older)] == [(9, 0, 0), (6, 0, 0)]
    assert (newer.is_made_of(draft), older.is_made_of(draft)) == (True, False)


def test_a_pre_authorisation_code_is_read() -> None:
    assert reply("api_create_preauthcode").answer["pre_auth_code"] == "preauthcode@@@1"
