"""A laptop stack: the very template of `make deploy`, running on this machine; several may stand side by side.

with LaptopStack(name="test") as stack:
    stack.set_clock(datetime(2026, 10, 1, tzinfo=UTC))
    answer = stack.http("GET", "/v1/runs", token=stack.token("FINANCE"))
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sysconfig
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config

from infra.assets import FONTS, ROOT, SCHEMAS
from infra.local import people, processes
from infra.local.assembly import assembly
from infra.local.deploy import deploy, unloadable
from infra.local.errors import LocalError
from infra.local.http import Answer, Http
from infra.settings import settings_for

_REGION = settings_for("local").region
_KEY = {"aws_access_key_id": "roamclear-laptop", "aws_secret_access_key": "roamclear-laptop"}
CLOCK_PARAMETER = "/roamclear-local/clock-shift-s"


class LaptopStack:
    """Start, deploy, talk to and stop one laptop stack.

    Args:
        name: folder below .local/ with state, logs, mails and tokens.
        port: of the AWS endpoint; 0 takes a free one.
        issuer_id: the legal entity at which the people of ``ROLES`` get their role.
        verify: load the code of every function once after deploying.
        enforce_iam: let the endpoint check each call of a function against its role.
        say: told what happens, one line each.
    """

    def __init__(
        self,
        name: str = "up",
        port: int = 0,
        *,
        issuer_id: str = "acme",
        verify: bool = True,
        enforce_iam: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.folder = ROOT / ".local" / name
        self.port = port
        self.issuer_id = issuer_id
        self.outputs: dict[str, str] = {}
        self.people: dict[str, people.Person] = {}
        self._verify = verify
        self._enforce_iam = enforce_iam
        self._say = say
        self._clients: dict[str, Any] = {}
        # Cookies ignore the port, so each stack gets another host name (platform.md 3).
        self.api_id = hashlib.sha256(name.encode()).hexdigest()[:8]

    # -- life --------------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start or take over the processes, deploy, sign people in."""
        made = assembly(self._say)
        if not self._take_over():
            self._start_processes()
        self._say("deploying the template ...")
        self.outputs = deploy(self.boto, self.endpoint, made, self.api_id)
        if self._verify:
            for name, text in unloadable(self.boto).items():
                self._say(f"function {name} does not load: {text[:300]}")
        self._seed()
        self._remember()

    def stop(self) -> bool:
        """End what this stack started; True when something ran."""
        found = [processes.stop(name, self.folder) for name in ("ministack", "mailsink")]
        (self.folder / "stack.json").unlink(missing_ok=True)
        return any(found)

    @classmethod
    def attach(cls, name: str = "up") -> LaptopStack:
        """The stack that `make up` left running, without deploying anything."""
        stack = cls(name)
        if not stack._take_over():
            raise LocalError(f"No laptop stack named {name} is running; start it with `make up`.")
        return stack

    @property
    def is_running(self) -> bool:
        """Whether both processes of this name are alive."""
        return all(processes.running(name, self.folder) is not None for name in ("ministack", "mailsink"))

    def _take_over(self) -> bool:
        if not self.is_running:
            return False
        try:
            known = json.loads((self.folder / "stack.json").read_text())
        except (OSError, ValueError):
            return False
        if self.port not in (0, known["port"]):
            raise LocalError(f"The stack {self.name} already runs on port {known['port']}; stop it with `make down`.")
        self.port = known["port"]
        self.outputs = known["outputs"]
        self.people = {role: people.Person(**person) for role, person in known["people"].items()}
        return True

    def _start_processes(self) -> None:
        self.stop()
        self.port = self.port or processes.free_port()
        processes.require_free(self.port, "free it or choose another one: make up PORT=4600")
        smtp_port = processes.free_port()
        for scratch in ("tmp", "state", "s3", "mail"):
            shutil.rmtree(self.folder / scratch, ignore_errors=True)
            (self.folder / scratch).mkdir(parents=True)
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        python = processes.python()
        sink = [python, "-m", "infra.local.mailsink", str(smtp_port), str(self.folder / "mail")]
        processes.start("mailsink", self.folder, sink, environ)
        processes.start("ministack", self.folder, [python, "-m", "ministack"], self._environ(smtp_port))
        self._wait()

    def _environ(self, smtp_port: int) -> dict[str, str]:
        """The settings of platform.md 3; workers inherit them."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ROAMCLEAR_", "PYTEST"))}
        return kept | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_WARM_TTL_SECONDS": "60",
            "AUTH": "true" if self._enforce_iam else "false",
            "AWS_ACCESS_KEY_ID": _KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": _KEY["aws_secret_access_key"],
            "MINISTACK_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "SMTP_HOST": f"127.0.0.1:{smtp_port}",
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "s3"),
            "TMPDIR": str(self.folder / "tmp"),
            # The layer is empty here: what the functions import comes from the project's own environment.
            "PYTHONPATH": sysconfig.get_paths()["purelib"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "FONTS_DIR": str(FONTS),
            "SCHEMAS_DIR": str(SCHEMAS),
        }

    def _wait(self) -> None:
        probe = Http(self.port, "127.0.0.1", timeout_s=2)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if probe("GET", "/_ministack/health").status == 200:
                    return
            except OSError:
                time.sleep(0.1)
            if processes.running("ministack", self.folder) is None:
                break
        raise LocalError(f"The local AWS endpoint did not start; read {self.folder / 'ministack.log'}")

    def _seed(self) -> None:
        pool, client = self.outputs["UserPoolId"], self.outputs["UserPoolClientId"]
        for role in people.ROLES:
            name = f"{role.lower().replace('_', '-')}@roamclear.example"
            self.people[role] = people.sign_in(self.boto, pool, client, name, role)
        self.grant(*people.ROLES)

    def _remember(self) -> None:
        known = {
            "port": self.port,
            "outputs": self.outputs,
            "people": {r: {s: getattr(p, s) for s in p.__slots__} for r, p in self.people.items()},
        }
        (self.folder / "stack.json").write_text(json.dumps(known, indent=2))
        tokens = {"api": self.api_url, "endpoint": self.endpoint, "issuer_id": self.issuer_id,
                  "tokens": {role: person.token for role, person in self.people.items()}}  # fmt: skip
        path = self.folder / "tokens.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(tokens, indent=2) + "\n")

    # -- use ---------------------------------------------------------------------------------------------------------
    @property
    def endpoint(self) -> str:
        """Where the AWS clients go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_host(self) -> str:
        """Host header of the API."""
        return f"{self.api_id}.execute-api.localhost:{self.port}"

    @property
    def api_url(self) -> str:
        """Base URL of the API, for browsers and curl."""
        return f"http://{self.api_host}"

    @property
    def http(self) -> Http:
        """Requests to the API."""
        return Http(self.port, self.api_host)

    @property
    def mail_folder(self) -> Path:
        """Where mails arrive as .eml files."""
        return self.folder / "mail"

    def mails(self) -> list[Path]:
        """All mails so far, oldest first."""
        return sorted(self.mail_folder.glob("*.eml"))

    def token(self, role: str) -> str:
        """The bearer token of the person with a role."""
        return self.people[role].token

    def actor_id(self, role: str) -> str:
        """The actor behind that token."""
        return self.people[role].actor_id

    def boto(self, service: str) -> Any:
        """A client of this stack."""
        if service not in self._clients:
            session = boto3.session.Session(region_name=_REGION, **_KEY)
            # An invocation may take as long as a Lambda may run; asked again, it would run twice.
            runs = service == "lambda"
            config = Config(
                retries={"mode": "standard", "max_attempts": 1 if runs else 3},
                read_timeout=910 if runs else 120,
                s3={"addressing_style": "path"},
            )
            self._clients[service] = session.client(service, endpoint_url=self.endpoint, config=config, verify=False)
        return self._clients[service]

    def table(self, name: str) -> str:
        """Physical name of identity, intake, clearing, ledger or audit."""
        return self.outputs[f"Table{name.title()}"]

    def bucket(self, name: str) -> str:
        """Physical name of documents, inbox, exports or archive."""
        return self.outputs[f"Bucket{name.title()}"]

    def set_clock(self, to: datetime) -> None:
        """Move the one clock of this stack to an instant; it runs on from there."""
        shift = math.ceil((to - datetime.now(UTC)).total_seconds())
        self.boto("ssm").put_parameter(Name=CLOCK_PARAMETER, Value=str(shift), Type="String", Overwrite=True)

    def now(self) -> datetime:
        """What the clock of this stack says."""
        value = self.boto("ssm").get_parameter(Name=CLOCK_PARAMETER)["Parameter"]["Value"]
        return datetime.now(UTC) + timedelta(seconds=int(value))

    def invoke(self, name: str, payload: Any) -> Any:
        """Invoke a function and give its answer; its error is raised."""
        answer = self.boto("lambda").invoke(FunctionName=self.function(name), Payload=json.dumps(payload))
        value = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise LocalError(f"{name} failed: {str(value)[:2000]}")
        return value

    def function(self, name: str) -> str:
        """Physical name of a function."""
        return f"roamclear-local-{name.replace('_', '-')}"

    def grant(self, *roles: str, issuer_id: str | None = None, **narrowed: str) -> None:
        """Let the person of each role act at an issuer (the operator's bootstrap function).

        Args:
            roles: whose people.
            issuer_id: where; the stack's own by default.
            narrowed: ``contract_id`` of an eMSP user, ``account_id`` of a sub-CPO user.
        """
        grants = [
            {
                "actor_id": self.people[role].actor_id,
                "label": role,
                "issuer_id": issuer_id or self.issuer_id,
                "roles": [role],
                **narrowed,
            }
            for role in roles
        ]
        try:
            self.invoke("bootstrap", {"grants": grants})
        except LocalError as error:
            if "No module named 'functions.bootstrap" not in str(error):
                raise
            self._say("roles were not granted: functions/bootstrap does not exist")

    def wait_until(self, ready: Callable[[], Any], what: str, *, timeout_s: float = 60, every_s: float = 0.2) -> Any:
        """Ask again until the answer is truthy."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = ready()
            if found:
                return found
            if time.monotonic() > deadline:
                raise LocalError(f"{what} did not happen within {timeout_s:.0f} seconds")
            time.sleep(every_s)

    def log(self, name: str, *, lines: int = 50) -> list[str]:
        """The last log lines of a function, for a failing test to show."""
        logs = self.boto("logs")
        group = f"/aws/lambda/{self.function(name)}"
        found = logs.filter_log_events(logGroupName=group, limit=10_000).get("events", [])
        return [event["message"].rstrip("\n") for event in found[-lines:]]


__all__ = ["Answer", "Http", "LaptopStack", "LocalError"]
