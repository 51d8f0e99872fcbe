"""How the id of a Mini Program or a platform is written."""

from __future__ import annotations

import re
from typing import Final

#: ``wx`` and 16 hex digits in lower case; to be matched as a whole.
APPID: Final = re.compile(r"wx[0-9a-f]{16}")
#: Stands for the platform itself where others are named by their appid.
THE_PLATFORM: Final = ""
#: The same, as JSON Schema wants it.
APPID_PATTERN: Final = f"^{APPID.pattern}$"
