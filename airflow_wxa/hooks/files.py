"""Acts that read or write a file of the worker."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_wxa import texts
from airflow_wxa.acts.act import Name, OfMiniProgram, Text
from airflow_wxa.api.webview_domain import get_webviewdomain_confirmfile
from airflow_wxa.errors import WxaStateError
from airflow_wxa.hooks.screenshots import read_media, save_picture
from airflow_wxa.steps import Step, TrialQrcodeOutcome, trial_qrcode, upload_media


@dataclass(frozen=True)
class TrialQrcode(OfMiniProgram):
    """Save the QR code of the trial version (体验版), which testers and admins can open, and link to it.

    The file lies below ``[wxa] screenshot_dir``; the link beside the task reads the picture anew. Returns ``{"outcome":
    "read", "appid", "path", "file"}``.

    :param path: the page that it opens, with its query, such as ``page/index?action=1``; empty: the first one.
    """

    path: Text = ""

    def step(self) -> Step[TrialQrcodeOutcome]:
        read = yield from trial_qrcode(self.appid, self.path)
        name = f"trial-{hashlib.sha256(self.path.encode()).hexdigest()[:12]}" if self.path else "trial"
        return replace(read, file=save_picture(self.appid, name, read.image))


@dataclass(frozen=True)
class UploadMedia(OfMiniProgram):
    """Upload a picture or a video for ``preview_info`` of a submission. Returns ``{"mediaid", "type"}``.

    Media ids expire (85092): upload before each submission, in the same run.

    :param file: a path on the worker, or a URL of an object storage as ``ObjectStoragePath`` takes it.
    """

    file: Name
    writes = ("uploadmedia",)

    def step(self) -> Step[dict[str, Any]]:
        return upload_media(self.appid, read_media(self.file))


@dataclass(frozen=True)
class WebviewDomainConfirmfile(OfMiniProgram):
    """Write the verification file (校验文件) that a host must serve before it can be set in direct mode.

    Returns ``{"file_name", "file_content", "path"}``. Serve it unchanged at ``https://<host>/<file_name>``.

    :param directory: an existing folder. Not templated: a run's trigger must not choose it.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_getjumpdomainconfirmfile
    """

    directory: str

    def step(self) -> Step[dict[str, str]]:
        answer = (yield get_webviewdomain_confirmfile(self.appid)).answer
        if not answer.get("file_name"):
            raise WxaStateError(
                texts.Text("confirmfile_is_missing"), endpoint="get_webviewdomain_confirmfile", appid=self.appid
            )
        # A name that WeChat chose: only its last part, so that nothing is written elsewhere.
        path = Path(self.directory) / Path(answer["file_name"]).name
        path.write_bytes(answer.get("file_content", "").encode())
        return {"file_name": answer["file_name"], "file_content": answer.get("file_content", ""), "path": str(path)}
