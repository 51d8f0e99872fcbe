"""The staged release (灰度发布): raise the part of the users who see the approved version, or take it back."""

from dataclasses import dataclass

from airflow_wxa.acts.act import OfMiniProgram
from airflow_wxa.steps import GrayOutcome, Step, revert_gray_release


@dataclass(frozen=True)
class RevertGrayRelease(OfMiniProgram):
    """Take a staged release back: everybody sees what is online again.

    One that was taken back already is left alone; without a staged release the task fails. Returns ``{"outcome":
    "reverted|already_reverted", "appid", "gray_percentage", "status"}``.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/code/grayrelease.html
    """

    writes = ("revertgrayrelease",)

    def step(self) -> Step[GrayOutcome]:
        """Take it back."""
        return revert_gray_release(self.appid)
