"""Two DAGs that release several merchants by the same stages: the same for all, and each with values of its own."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_wxa.dags.release_group import release_group

SHOPS = [f"wx000000000000000{number}" for number in range(1, 6)]

with DAG(
    "release_shops",
    schedule=None,
    params={"user_version": Param("1.4.0", type="string")},
    default_args={"retries": 2},
) as release_shops:
    release_group.partial(
        template_id=47, user_version="{{ params.user_version }}", webviewdomain=["https://m.example.com"]
    ).expand(appid=SHOPS)

with DAG("release_listed_shops", schedule=None, default_args={"retries": 2}) as release_listed_shops:

    @task
    def shops() -> list[dict[str, Any]]:
        """Read the merchants from where your team keeps them."""
        return [{"appid": appid, "webviewdomain": [f"https://{appid}.example.com"]} for appid in SHOPS]

    release_group.partial(template_id=47, user_version="1.4.0", approval=False, on_individual="stop").expand_kwargs(
        shops()
    )

    @task(trigger_rule="all_done")
    def without_domains(outcomes: Any) -> dict[str, str]:
        """Return the merchants whose domains were refused, for somebody to act on."""
        refused = ("platform_list_empty", "individual")
        return {each["appid"]: each["outcome"] for each in outcomes if each["outcome"] in refused}

    without_domains(release_listed_shops.get_task("release_group.configure_domains").output)
