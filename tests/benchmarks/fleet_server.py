"""A local server that answers as fast as it can after 20 ms, in a process of its own: what a fleet is measured on.

It knows a list of business domains for each token, hands out tokens, and counts calls. Nothing is checked.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

LATENCY = 0.02
WANTED = ["https://m.example.com"]
#: The domain step of one Mini Program, as a shard does it: the effective domains tell what goes offline.
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/wxa/setwebviewdomain", {"action": "get"}),
    ("/wxa/get_effective_webviewdomain", {}),
    ("/wxa/get_effective_domain", {}),
    ("/wxa/setwebviewdomain", {"action": "set", "webviewdomain": WANTED}),
    ("/wxa/setwebviewdomain", {"action": "get"}),
)
OK = {"errcode": 0, "errmsg": "ok"}
ANSWERS: dict[str, dict[str, Any]] = {
    "/cgi-bin/component/api_component_token": {"component_access_token": "platform-token", "expires_in": 7200},
    "/wxa/getversioninfo": OK | {"exp_info": {"exp_time": 1, "exp_version": "1.3.0", "exp_desc": "before"}},
    "/wxa/get_latest_auditstatus": {"errcode": 85058, "errmsg": "no valid auditid"},
}


class Server:
    """State and answers."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.domains: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}
        self.content_bytes = 0
        self.under_way = self.most_under_way = 0

    def answer(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        self.counts[path] = self.counts.get(path, 0) + 1
        if path == "/wxa/setwebviewdomain":
            if body.get("action") == "get":
                return OK | {"webviewdomain": self.domains.get(token, [])}
            self.domains[token] = body.get("webviewdomain", [])
            return OK
        if path == "/cgi-bin/component/api_authorizer_token":
            appid = body["authorizer_appid"]
            return {
                "authorizer_access_token": f"token-of-{appid}-{'x' * 120}",
                "expires_in": 7200,
                "authorizer_refresh_token": f"refreshtoken@@@{appid}",
            }
        if path == "/counts":
            return {
                "counts": {each: count for each, count in self.counts.items() if each != path},
                "content_bytes": self.content_bytes,
                "most_under_way": self.most_under_way,
            }
        if path == "/reset":
            self.domains, self.counts, self.content_bytes, self.most_under_way = {}, {}, 0, 0
        return ANSWERS.get(path, OK)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *lines = head.split(b"\r\n")
                length = next((int(each[15:]) for each in lines if each.lower().startswith(b"content-length:")), 0)
                content = await reader.readexactly(length) if length else b""
                self.content_bytes += length
                url = urlsplit(line.split(b" ")[1].decode())
                token = parse_qs(url.query).get("access_token", [""])[0]
                answer = json.dumps(self.answer(url.path, token, json.loads(content) if content else {})).encode()
                if url.path.startswith(("/wxa", "/cgi-bin")):
                    self.under_way += 1
                    self.most_under_way = max(self.most_under_way, self.under_way)
                    await asyncio.sleep(self.latency)
                    self.under_way -= 1
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main(latency: float) -> None:
    server = await asyncio.start_server(Server(latency).serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def fleet_server(latency: float = LATENCY) -> Iterator[str]:
    """Run it while the block runs, and give its URL."""
    command = [sys.executable, str(Path(__file__)), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def counted(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/counts").json()
    return found


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
