"""Answers in the shape that wechatpy's tests have of them: our readers take each."""

from pathlib import Path

from airflow_wxa.api.authorisation import Grant, read_authorisation, read_grant, read_granted
from airflow_wxa.api.call import Call, Reply, read_reply
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.templates import read_drafts, read_templates
from airflow_wxa.sandbox.testing import APPID

SAMPLES = Path(__file__).parents[1] / "samples"


def reply(name: str) -> Reply:
    return read_reply(Call.to(name, None), 200, (SAMPLES / f"{name}.wechatpy.json").read_bytes())


def test_tokens_and_an_authorisation_are_read() -> None:
    platform = read_grant(reply("api_component_token").answer, "component_access_token")
    merchant = read_grant(reply("api_authorizer_token").answer, "authorizer_access_token")
    assert platform == Grant(Secret("61_component"), 7200, None)
    assert merchant == Grant(Secret("61_merchant"), 7200, Secret("refreshtoken@@@2"))
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
