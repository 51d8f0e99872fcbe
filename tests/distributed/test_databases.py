"""The store on PostgreSQL as people run it: pgbouncer, TLS required, a replica by mistake, a schema of its own."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from airflow_wxa.cli.demo.airflow import free_port
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.store import Ledger, Store
from airflow_wxa.store.engine import open_engine
from airflow_wxa.store.runs import TaskRef
from tests.store.databases import Postgresql, programs_of_postgresql, running, server_home, server_user

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.skipif(
        programs_of_postgresql() is None, reason="PostgreSQL is not installed (Debian: apt-get install postgresql)"
    ),
]

PLATFORM: Final = "wx00000000000000c1"
KEY: Final = Fernet.generate_key().decode()
DRIVERS: Final = ("psycopg2", "psycopg")
ROUNDS: Final = 200
HBA: Final = "hostssl all all 127.0.0.1/32 trust\nhostssl replication all 127.0.0.1/32 trust\n"
BOUNCER_PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:{os.environ['PATH']}")
BOUNCER: Final = """
[databases]
* = host=127.0.0.1 port={primary}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = users
pool_mode = transaction
default_pool_size = 2
max_prepared_statements = 0
server_tls_sslmode = require
"""


@dataclass(frozen=True)
class Servers:
    """A primary that wants TLS, a replica of it, and a pgbouncer in front of it."""

    primary: int
    replica: int
    bouncer: int
    certificate: Path
    process: subprocess.Popen[bytes]

    def url(self, port: int, driver: str, **query: str) -> str:
        said = "&".join(f"{name}={value}" for name, value in query.items())
        return f"postgresql+{driver}://wxa@127.0.0.1:{port}/wxa?{said}"

    def either(self, driver: str) -> str:
        """Return the URL that names both, the replica first."""
        hosts = f"127.0.0.1,127.0.0.1&port={self.replica},{self.primary}"
        return f"postgresql+{driver}://wxa@/wxa?host={hosts}&target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kill the primary, once all that it has is at the replica, which takes its place."""
        lag = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
        while not self.administer(lag):
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        Postgresql(self.replica).administer("SELECT pg_promote()")

    def administer(self, *statements: str, database: str = "postgres") -> object:
        return [Postgresql(self.primary).administer(each, database) for each in statements][-1]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    programs = programs_of_postgresql()
    assert programs is not None
    home = server_home("wxa-databases-")

    def run(*command: str | Path) -> None:
        ended = subprocess.run(command, **server_user(home), check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr

    primary, replica, port = free_port(), free_port(), free_port()
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, "-keyout", "key.pem", "-out", "cert.pem")
    run(programs / "initdb", "-D", "data", "-A", "trust", "-U", "airflow", "--no-sync", "-E", "UTF8", "--locale=C")
    (home / "data" / "pg_hba.conf").write_text(HBA, "utf-8")
    tls = ["--ssl=on", f"--ssl_cert_file={home / 'cert.pem'}", f"--ssl_key_file={home / 'key.pem'}"]
    options = ["--fsync=off", "--unix_socket_directories=", "--listen_addresses=127.0.0.1", *tls]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        command: list[str | Path] = [programs / "postgres", "-D", "data", "-p", str(primary), *options]
        process = stack.enter_context(running(home, command, primary))
        servers = Servers(primary, replica, port, home / "cert.pem", process)
        servers.administer("CREATE ROLE wxa LOGIN", "CREATE DATABASE wxa OWNER wxa", "CREATE DATABASE empty OWNER wxa")
        Store(servers.url(primary, "psycopg2"), [KEY])
        where = ["-h", "127.0.0.1", "-p", str(primary), "-U", "airflow"]
        run(programs / "pg_basebackup", *where, "-D", "replica", "-R", "--checkpoint=fast")
        command = [programs / "postgres", "-D", "replica", "-p", str(replica), *options]
        stack.enter_context(running(home, command, replica))
        if BOUNCER_PROGRAM is not None:
            roles = ("airflow", "wxa", *(f"role_{each}" for each in DRIVERS))
            (home / "users").write_text("".join(f'"{each}" ""\n' for each in roles), "utf-8")
            (home / "bouncer.ini").write_text(BOUNCER.format(primary=primary, port=port), "utf-8")
            stack.enter_context(running(home, [BOUNCER_PROGRAM, "bouncer.ini"], port, signal.SIGQUIT))
        yield servers


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def bouncer(servers: Servers) -> int:
    if BOUNCER_PROGRAM is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    return servers.bouncer


def asker(name: str, number: int) -> TaskRef:
    return TaskRef("dag", f"{name}-{number}", "approve", ti_id=str(number), try_number=1, run_after=1.0)


def rounds(url: str, name: str, count: int) -> list[str]:
    """Ask, decide and read in many runs at once; return what went wrong."""
    ledger = Ledger(url)

    def one(number: int) -> str:
        task = asker(name, number)
        try:
            ledger.decided(PLATFORM, "", task, {"outcome": "approved", "by": str(number)})
            decision = ledger.decision(PLATFORM, "", task, "approve")
        except WxaTransportError as error:
            return str(error.values["it says"])
        return "" if decision and decision["by"] == str(number) else f"another decision: {decision}"

    with ThreadPoolExecutor(8) as pool:
        return [each for each in pool.map(one, range(count)) if each]


def test_no_round_is_lost_behind_pgbouncer_in_transaction_mode(servers: Servers, bouncer: int, driver: str) -> None:
    assert rounds(servers.url(bouncer, driver), driver, ROUNDS) == []


@pytest.mark.parametrize("database", ["wxa", "empty"])
def test_a_replica_is_refused_by_name(servers: Servers, driver: str, database: str) -> None:
    url = servers.url(servers.replica, driver).replace("/wxa?", f"/{database}?")
    with pytest.raises(WxaTransportError) as error:
        Store(url, [KEY]).ensure(PLATFORM)
    assert error.value.what == "the store may only be read"
    assert "replica" in str(error.value)
    assert "target_session_attrs=read-write" in str(error.value)


def test_tls_that_the_server_wants_is_spoken_or_the_refusal_names_it(servers: Servers, driver: str) -> None:
    proved = {"sslmode": "verify-full", "sslrootcert": str(servers.certificate)}
    with open_engine(servers.url(servers.primary, driver, **proved)).connect() as connection:
        said = connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar_one()
    assert said is True
    for query, cause in (
        ({"sslmode": "disable"}, "no encryption"),
        ({"sslmode": "verify-full", "sslrootcert": "system"}, "certificate verify failed"),
    ):
        with pytest.raises(WxaTransportError, match=cause):
            open_engine(servers.url(servers.primary, driver, **query))


def tables(servers: Servers, schema: str) -> object:
    query = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}' AND tablename ^@ 'wxa'"  # noqa: S608
    return servers.administer(query, database="wxa")


def test_a_schema_of_its_own_holds_all_the_tables(servers: Servers, driver: str) -> None:
    schema = f"of_{driver}"
    servers.administer(f"CREATE SCHEMA {schema} AUTHORIZATION wxa", database="wxa")
    url = servers.url(servers.primary, driver, options=f"-csearch_path%3D{schema}")
    assert rounds(url, driver, 20) == []
    assert tables(servers, schema) == tables(servers, "public") != 0
    with pytest.raises(WxaTransportError, match="no schema has been selected to create in"):
        open_engine(servers.url(servers.primary, driver, options="-csearch_path%3Dnone"))


def test_a_search_path_in_the_url_is_refused_by_pgbouncer_and_the_roles_own_is_honoured(
    servers: Servers, bouncer: int, driver: str
) -> None:
    with pytest.raises(WxaTransportError, match=r"unsupported startup parameter[\s\S]*ALTER ROLE"):
        open_engine(servers.url(bouncer, driver, options="-csearch_path%3Dteam"))
    role = f"role_{driver}"
    servers.administer(
        f"CREATE ROLE {role} LOGIN",
        f"CREATE SCHEMA {role} AUTHORIZATION {role}",
        f"ALTER ROLE {role} SET search_path = {role}",
        database="wxa",
    )
    url = servers.url(bouncer, driver).replace("wxa@", f"{role}@")
    assert rounds(url, role, 20) == []
    assert tables(servers, role) == tables(servers, "public")


def test_of_two_hosts_the_primary_is_taken_and_after_a_failover_the_new_one_with_all_it_had(servers: Servers) -> None:
    urls = {driver: servers.either(driver) for driver in DRIVERS}
    for driver, url in urls.items():
        assert rounds(url, f"before-{driver}", 20) == []
    servers.fail_over()
    for driver, url in urls.items():
        kept = [Ledger(url).decision(PLATFORM, "", asker(f"before-{driver}", each), "approve") for each in range(20)]
        assert [each and each["by"] for each in kept] == [str(each) for each in range(20)]
        assert rounds(url, f"after-{driver}", 20) == []
