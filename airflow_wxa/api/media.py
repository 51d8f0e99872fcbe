"""Pictures and videos for the reviewer, uploaded as a form: the one body of WeChat's that is no JSON.

No page of ``/wxa/uploadmedia`` was read: the form's field ``media`` and the answer's ``mediaid`` are those of clients.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass, field

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE


@dataclass(frozen=True, slots=True)
class Media:
    """A file to upload.

    :param name: its name without folders; its ending tells the type.
    """

    name: str
    content: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """Such as ``image/jpeg`` or ``video/mp4``."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    def form(self) -> tuple[bytes, str]:
        """Return the form that holds it, and the form's media type."""
        boundary = hashlib.sha256(self.content).hexdigest()  # of the content, which therefore cannot hold it
        name = re.sub(r"[^0-9A-Za-z._-]", "_", self.name)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="{name}"\r\n'
        head += f"Content-Type: {self.media_type}\r\n\r\n"
        form = head.encode() + self.content + f"\r\n--{boundary}--\r\n".encode()
        return form, f"multipart/form-data; boundary={boundary}"


def uploadmedia(appid: str, media: Media) -> Call:
    """Upload a picture or a video; the reply holds ``mediaid``.

    The ledger keeps name and size, not the content.
    """
    said = {"name": media.name, "media_type": media.media_type, "bytes": len(media.content)}
    return Call(CATALOGUE["uploadmedia"], appid, said, form=media.form())
