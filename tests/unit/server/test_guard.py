"""Who may ask: the key, the host that is named, and the origin of the page."""

from __future__ import annotations

import logging

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import refused
from tests.unit.server.conftest import Make

KEY = "open sesame"
PAGE = "https://tool.example"
#: Every face that wants the key, with a method it takes.
CLOSED = [
    ("GET", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/1"),
    ("DELETE", "/v1/jobs/1"),
    ("GET", "/v1/jobs/1/events"),
    ("POST", "/v1/jobs/1/retry"),
    ("POST", "/v1/run/echo"),
    ("GET", "/v1/tasks"),
    ("GET", "/metrics"),
    ("GET", "/tyocr"),
    ("POST", "/tyocr"),
    ("GET", "/nowhere"),
]


# The key.


@pytest.fixture(scope="module")
def locked(make: Make) -> FlaskClient:
    """A front that wants a key."""
    return make(FARM_API_KEY=KEY)


#: What of a page comes without the key: it has to ask for it.
PARTS = ("page", "static")


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_without_the_key_there_is_only_a_401(locked: FlaskClient, method: str, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": "Bearer wrong", "X-API-Key": KEY},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "Ünïcödé"},
        {"X-API-Key": KEY.upper()},
    ):
        answer = locked.open(path, method=method, headers=headers)
        body = refused(answer, 401)
        assert body["code"] == "unauthorized"
        assert "X-API-Key" in body["hint"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert KEY not in answer.text


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_the_key_opens_every_face(locked: FlaskClient, method: str, path: str) -> None:
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer  {KEY} "}, {"X-API-Key": KEY}):
        assert locked.open(path, method=method, headers=headers).status_code not in (401, 403)


def test_every_face_there_is_wants_the_key_but_health_and_the_pages_themselves(locked: FlaskClient) -> None:
    free = {"health.health", "health.ready"} | {f"help.{part}" for part in PARTS}
    free |= {"home.home", "static", "jobs_page.page", "job_page.page", "federated.page", "run_page.page"}
    free |= {"openapi.page", "help.chapter", "help.search"}
    free |= {"farm_page.page", "inbox_page.page", "batch_page.page"}
    for rule in locked.application.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = rule.rule.replace("<job_id>", "1").replace("<task>", "echo")
            with locked.open(path, method=method) as answer:  # a file that is sent has to be closed
                assert (answer.status_code != 401) == (rule.endpoint in free), path


def test_without_a_key_set_none_is_asked_for(front: FlaskClient) -> None:
    assert front.get("/v1/jobs").status_code == 200
    assert front.get("/v1/jobs", headers={"X-API-Key": "whatever"}).status_code == 200


def test_the_key_is_asked_for_before_the_body_is_read(locked: FlaskClient) -> None:
    refused(locked.post("/v1/jobs", data=b"x" * (5 << 20), content_type="application/json"), 401)


# The host.


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "localhost:8090", "127.0.0.1:1", "[::1]", "[::1]:8090", "LocalHost", "[::1]:"],
)
def test_the_names_of_this_machine_pass(front: FlaskClient, host: str) -> None:
    assert front.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *["evil.example", "evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example"],
        *["evil.example:127.0.0.1", "evil.example@localhost", "[::2]", "[", "localhost.", "0", "2130706433"],
        *["", "a b", "\xfflocalhost", "[::1].evil.example", "[::1]evil.example:80", "[::1]@evil.example", "[::1"],
        *["localhost:80@evil.example", "localhost:@evil.example", "localhost:evil.example", "localhost:80:80"],
        *["localhost/evil.example", "localhost#evil.example", "localhost?evil.example", "localhost:８０"],
    ],
)
def test_another_name_is_403_on_every_face(front: FlaskClient, host: str) -> None:
    for path in ("/health", "/ready", "/v1/jobs", "/tyocr", "/metrics", "/nowhere"):
        assert refused(front.get(path, headers={"Host": host}), 403, "host name")["code"] == "forbidden"


def test_a_name_in_farm_hosts_passes_too(make: Make) -> None:
    front = make(FARM_HOSTS="Farm.example, 10.0.0.7")
    for host in ("farm.example", "FARM.example:8090", "10.0.0.7", "localhost"):
        assert front.get("/health", headers={"Host": host}).status_code == 200
    refused(front.get("/health", headers={"Host": "sub.farm.example"}), 403)


def test_on_an_open_address_any_name_passes_unless_farm_hosts_names_some(make: Make) -> None:
    anything = make(FARM_BIND="0.0.0.0:8090,127.0.0.1:8091", FARM_API_KEY=KEY)
    assert anything.get("/health", headers={"Host": "any.example"}).status_code == 200
    some = make(FARM_BIND="0.0.0.0:8090", FARM_API_KEY=KEY, FARM_HOSTS="farm.example")
    assert some.get("/health", headers={"Host": "farm.example"}).status_code == 200
    refused(some.get("/health", headers={"Host": "any.example"}), 403)


def test_an_address_that_is_named_is_a_name_too(make: Make) -> None:
    front = make(FARM_BIND="127.0.0.9:8090")
    assert front.get("/health", headers={"Host": "127.0.0.9:8090"}).status_code == 200


def test_an_open_address_without_a_key_is_warned_of(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make()
        make(FARM_BIND="0.0.0.0:8090", FARM_API_KEY=KEY)
        assert not caplog.records
        make(FARM_BIND="0.0.0.0:8090")
    assert "FARM_API_KEY is empty" in caplog.text


# The page.


@pytest.fixture(scope="module")
def allowing(make: Make) -> FlaskClient:
    """A front that PAGE may call."""
    return make(FARM_CORS_ORIGINS=f"{PAGE},https://other.example")


@pytest.mark.parametrize(
    "origin",
    [
        *["http://evil.example", "https://localhost.evil.example", "http://evil.example@localhost", "http://[::1]"],
        *["http://localhost:1", "http://127.0.0.1", "localhost", "null", "file://", "chrome-extension://abc"],
        f"{PAGE}.evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_page_is_refused_and_gets_no_headers_of_permission(
    front: FlaskClient, allowing: FlaskClient, origin: str, method: str
) -> None:
    for client in (front, allowing):
        headers, before = {"Origin": origin, "Access-Control-Request-Method": "POST"}, client.get("/v1/jobs").text
        answer = client.open("/v1/jobs", method=method, headers=headers, json={"task": "echo"})
        assert refused(answer, 403, "FARM_CORS_ORIGINS")["code"] == "forbidden"
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert client.get("/v1/jobs").text == before


def test_a_page_in_farm_cors_origins_may_call_and_read(allowing: FlaskClient) -> None:
    answer = allowing.post("/v1/run/echo", json={}, headers={"Origin": PAGE})
    assert answer.status_code == 504  # there is no worker; an error may be read too
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [PAGE]
    assert "Origin" in answer.headers["Vary"]
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"Location", "Retry-After", "X-Request-Id"} <= {name.strip() for name in exposed.split(",")}
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_preflight_of_an_allowed_page_is_answered_without_the_key(make: Make) -> None:
    front = make(FARM_CORS_ORIGINS=PAGE, FARM_API_KEY=KEY)
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, prefer",
    }
    answer = front.options("/v1/jobs", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {"authorization", "content-type", "idempotency-key", "prefer"}
    refused(front.post("/v1/jobs", json={"task": "echo"}, headers={"Origin": PAGE}), 401)


def test_who_is_no_page_gets_no_permission(allowing: FlaskClient) -> None:
    assert not [name for name, _ in allowing.get("/health").headers if name.startswith("Access-Control")]


def test_a_star_lets_every_page_in(make: Make) -> None:
    answer = make(FARM_CORS_ORIGINS="*").get("/v1/tasks", headers={"Origin": "https://any.example"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", "https://any.example")


# Pages that name no origin.


SCRIPT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
#: The same for a session that there is not: it is refused by the protocol, not at the door.
UNKNOWN = f"{HANDSHAKE}&sid=x"


@pytest.mark.parametrize("path", ["/v1/jobs", "/health", "/metrics", "/nowhere", HANDSHAKE, f"{HANDSHAKE}&j=0"])
def test_a_page_of_another_site_can_load_nothing_as_a_script(front: FlaskClient, path: str) -> None:
    refused(front.get(path, headers=SCRIPT), 403, "another site")


def test_a_page_of_another_site_may_lead_here_but_opens_no_socket(front: FlaskClient) -> None:
    assert front.get("/", headers=LINK).status_code == 200
    refused(front.get(HANDSHAKE, headers=LINK), 403, "another site")
    refused(front.get(HANDSHAKE, headers={**SCRIPT, "Sec-Fetch-Site": "same-site"}), 403, "another site")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_and_the_address_bar_open_what_they_like(front: FlaskClient, site: str) -> None:
    for path, status in (("/v1/tasks", 200), (UNKNOWN, 400)):
        assert front.get(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"}).status_code == status


def test_pages_that_are_let_in_may_show_our_pictures(make: Make) -> None:
    friendly = make(FARM_CORS_ORIGINS=PAGE)
    assert friendly.get("/v1/tasks", headers=SCRIPT).status_code == 200
    refused(friendly.get(HANDSHAKE, headers=SCRIPT), 403, "another site")
    assert friendly.get(UNKNOWN, headers={**SCRIPT, "Origin": PAGE}).status_code == 400


def test_there_is_no_jsonp(front: FlaskClient) -> None:
    refused(front.get(f"{HANDSHAKE}&j=0"), 400, "JSONP")
