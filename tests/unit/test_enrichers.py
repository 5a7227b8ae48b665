"""The enrichers: what they add, what they leave alone, and what must not reach the store."""

from __future__ import annotations

import struct
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fireforget._settings import ProcessingSettings
from fireforget.errors import SettingsError
from fireforget.processing import DirectEnricher, Enricher, Geo, Intake, Privacy, Session, UserAgent
from fireforget.processing.addresses import ADDRESS_FIELDS
from tests.pipeline import NOON, event

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget._event import Event

SECRET = b"sixteen bytes or more"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/16.5 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def with_data(**data: Any) -> Event:
    return event(1, data=data)


class TestPrivacy:
    @pytest.mark.parametrize(
        "name", [*ADDRESS_FIELDS, "X-Forwarded-For", "clientIp", "REMOTE_ADDR", "x-real-ip", "Ip Address"]
    )
    @pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9"])
    def test_an_address_in_a_known_field_is_hashed(self, name: str, address: str) -> None:
        """Whatever the case and the separators of the field's name."""
        [(field, value)] = Privacy().enrich(event(1, data={name: address})).data.items()
        assert field == name
        assert len(value) == 32
        assert address not in value

    @pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9"])
    def test_a_field_with_an_address_can_be_dropped(self, address: str) -> None:
        """The rest of the data stays."""
        assert Privacy("drop").enrich(with_data(ip=address, n=1)).data == {"n": 1}

    @pytest.mark.parametrize(
        "data",
        [
            {"metadata": {"ip": "203.0.113.9"}},
            {"metadata": {"deep": {"deeper": {"client_ip": "203.0.113.9"}}}},
            {"visits": [7, {"ip": "203.0.113.9"}]},
            {"visits": [[{"ip": ["203.0.113.9"]}]]},
            {"client": {"address": {"v4": "203.0.113.9"}}},
            {"ips": {"203.0.113.9": 3}},
            {"pair": ({"ip": "203.0.113.9"},)},
        ],
    )
    @pytest.mark.parametrize("action", ["hash", "drop"])
    def test_an_address_is_found_at_any_depth(self, data: dict[str, Any], action: Any) -> None:
        """In dictionaries and lists within the data, and in all that stands under such a name."""
        assert b"203.0.113.9" in msgspec.json.encode(data)
        assert b"203.0.113.9" not in msgspec.json.encode(Privacy(action).enrich(event(1, data=data)).data)

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("203.0.113.9", "#"),
            ("203.0.113.9:8080", "#"),
            ("[2001:db8::9]:443", "[#]:443"),
            ("203.0.113.9, 10.0.0.1", "#, #"),
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "for=#;proto=https;by=#"),
            ('for="[2001:db8::9]:4711"', 'for="[#]:4711"'),
            ("fe80::9%eth0", "#%eth0"),
            ("::1", "#"),
            ("::ffff:203.0.113.9", "#"),
            ("203.000.113.009", "#"),
            ("from 203.0.113.9.", "from #"),
            ("2001:0DB8:0000:0000:0000:0000:0000:0009", "#"),
        ],
    )
    def test_an_address_is_recognised_by_its_value(self, text: str, left: str) -> None:
        """Alone, with a port, in a list, in a header."""
        stored = Privacy().enrich(with_data(forwarded=text)).data["forwarded"]
        for hashed in sorted({part for part in _hexadecimal(stored) if len(part) == 32}):
            stored = stored.replace(hashed, "#")
        assert stored == left

    @pytest.mark.parametrize(
        "value", ["unknown", "", "10:30:22", "1.2.3", "v1.2.3.4.5", "a.b", "_hidden", 7, None, True, 2.5]
    )
    @pytest.mark.parametrize("action", ["hash", "drop"])
    def test_what_is_no_address_stays(self, value: object, action: Any) -> None:
        """Also under such a name."""
        assert Privacy(action).enrich(with_data(ip=value)).data == {"ip": value}

    def test_an_event_without_such_fields_is_the_same_object(self) -> None:
        """It costs no copy."""
        sent = with_data(query="what is at 203.0.113.9?", metadata={"path": "/", "tags": ["a"]})
        assert Privacy().enrich(sent) is sent

    def test_further_fields_can_be_named(self) -> None:
        """The settings' ``ip_fields`` do so."""
        sent = with_data(visitor_network="203.0.113.9")
        assert Privacy().enrich(sent) is sent
        assert Privacy("drop", fields=("visitor-network",)).enrich(sent).data == {}

    def test_extension_attributes_count(self) -> None:
        """A CloudEvents extension may hold an address as well."""
        sent = event(1, extensions={"clientip": "203.0.113.9", "tenant": "a"})
        assert Privacy("drop").enrich(sent).extensions == {"tenant": "a"}

    def test_one_address_has_one_hash_a_day(self) -> None:
        """However it is written, and another one the next day."""
        privacy = Privacy()

        def hashed(address: str, days: int = 0) -> str:
            text: str = privacy.enrich(event(1, time=NOON + timedelta(days=days), data={"ip": address})).data["ip"]
            return text

        assert hashed("203.0.113.9") == hashed("::ffff:203.0.113.9") == hashed("203.0.113.009")
        assert hashed("2001:db8::9") == hashed("2001:0db8:0:0::0009")
        assert hashed("203.0.113.9") != hashed("203.0.113.9", days=1)
        assert hashed("203.0.113.9") != hashed("203.0.113.8")

    def test_processes_agree_only_by_a_secret(self) -> None:
        """Without one each makes its own salt."""
        sent = with_data(ip="203.0.113.9")
        assert Privacy(secret=SECRET).enrich(sent) == Privacy(secret=SECRET).enrich(sent)
        assert Privacy(secret=SECRET).enrich(sent) != Privacy(secret=SECRET * 2).enrich(sent)
        assert Privacy().enrich(sent) != Privacy().enrich(sent)

    def test_a_random_salt_is_forgotten(self) -> None:
        """After some days nobody can compute the hash of an address again."""
        privacy = Privacy()
        sent = with_data(ip="203.0.113.9")
        before = privacy.enrich(sent)
        assert privacy.enrich(sent) == before
        for days in range(1, 10):
            privacy.enrich(event(1, time=NOON + timedelta(days=days), data={"ip": "::1"}))
        assert privacy.enrich(sent) != before

    def test_a_short_secret_is_refused(self) -> None:
        """The message says how long one must be."""
        with pytest.raises(SettingsError, match="has 5 bytes: use at least 16"):
            Privacy(secret=b"short")

    def test_hostile_names_are_not_remembered(self) -> None:
        """Names of fields are the sender's; neither long ones nor many of them fill the memory."""
        privacy = Privacy()
        privacy.enrich(event(1, data={"x" * 10_000: 1}))
        for number in range(3):
            privacy.enrich(event(1, data={f"field-{number}-{n}": n for n in range(1000)}))
        assert len(privacy._names) <= 1024


def _hexadecimal(text: str) -> list[str]:
    return "".join(c if c in "0123456789abcdef" else " " for c in text).split()


class TestOrder:
    def test_privacy_runs_last(self) -> None:
        """The enrichers before it see the address, wherever it was named."""
        seen: list[Any] = []

        class Look(DirectEnricher):
            def enrich(self, event: Event) -> Event:
                seen.append(event.data["ip"])
                return event

        text = msgspec.json.encode(_wire(with_data(ip="203.0.113.9")))
        for enrichers in ([Look()], [Privacy("drop"), Look()]):
            stored = Intake(enrichers=enrichers).read(text)
            assert stored.data.get("ip") != "203.0.113.9"
        assert seen == ["203.0.113.9"] * 2

    def test_a_privacy_of_ones_own_replaces_the_default(self) -> None:
        """It is not hashed first and then left."""
        text = msgspec.json.encode(_wire(with_data(ip="203.0.113.9")))
        assert Intake(enrichers=[Privacy("drop")]).read(text).data == {}

    def test_privacy_can_be_switched_off(self) -> None:
        """By the setting, which says so."""
        text = msgspec.json.encode(_wire(with_data(ip="203.0.113.9")))
        assert Intake(ProcessingSettings(ip_addresses="keep")).read(text).data == {"ip": "203.0.113.9"}
        assert Intake(ProcessingSettings(ip_addresses="drop")).read(text).data == {}

    def test_the_settings_name_further_fields(self) -> None:
        """``ip_fields`` reaches the enricher."""
        settings = ProcessingSettings(ip_addresses="drop", ip_fields=("origin",))
        text = msgspec.json.encode(_wire(with_data(origin="203.0.113.9")))
        assert Intake(settings).read(text).data == {}

    def test_with_the_secret_of_the_settings_processes_agree(self) -> None:
        """About hashed addresses, and about the sessions that `session` makes."""
        text = msgspec.json.encode(_wire(with_data(ip="203.0.113.9")))
        settings = ProcessingSettings(session=True)
        first, second = (Intake(settings, secret=SECRET).read(text) for _ in range(2))
        assert first == second
        assert first.sessionid
        assert Intake(settings).read(text).sessionid is None
        assert Intake(secret=SECRET).read(text).sessionid is None

    @pytest.mark.asyncio
    async def test_enrichers_run_in_order_whether_or_not_they_wait(self) -> None:
        """Direct ones may stand before and behind those that await."""

        class Direct(DirectEnricher):
            def __init__(self, name: str) -> None:
                self.name = name

            def enrich(self, event: Event) -> Event:
                return msgspec.structs.replace(event, data={**event.data, "path": event.data["path"] + self.name})

        class Waiting:
            async def __call__(self, event: Event) -> Event:
                return msgspec.structs.replace(event, data={**event.data, "path": event.data["path"] + "b"})

        enrichers: list[Enricher] = [Direct("a"), Waiting(), Direct("c"), Privacy("drop")]
        intake = Intake(enrichers=enrichers)
        assert intake.waits
        event = intake.read(msgspec.json.encode(_wire(with_data(path="", ip="203.0.113.9"))))
        assert event.data["path"] == "a"
        assert (await intake.complete(event)).data == {"path": "abc"}

    @pytest.mark.asyncio
    async def test_a_direct_enricher_can_be_awaited_too(self) -> None:
        """For whoever composes enrichers."""
        assert (await Privacy("drop")(with_data(ip="::1"))).data == {}


def _wire(event: Event) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": "unregistered",
        "time": event.time,
        "data": event.data,
    }


class TestUserAgent:
    @pytest.mark.parametrize(
        "data", [{"user_agent": IPHONE}, {"metadata": {"User-Agent": IPHONE}}, {"a": [{"userAgent": IPHONE}]}]
    )
    def test_a_browser_is_described(self, data: dict[str, Any]) -> None:
        """Wherever the text stands."""
        assert UserAgent().enrich(event(1, data=data)).data["agent"] == {
            "browser": "Mobile Safari",
            "browser_version": "16.5",
            "os": "iOS",
            "os_version": "16.5",
            "device": "iPhone",
            "brand": "Apple",
        }

    def test_a_crawler_is_marked(self) -> None:
        """As a bot."""
        agent = UserAgent().enrich(with_data(user_agent=GOOGLEBOT)).data["agent"]
        assert (agent["browser"], agent["bot"]) == ("Googlebot", True)

    @pytest.mark.parametrize(
        "data",
        [{}, {"user_agent": ""}, {"user_agent": 7}, {"user_agent": "?"}, {"user_agent": IPHONE, "agent": "mine"}],
    )
    def test_otherwise_the_event_stays_as_it_is(self, data: dict[str, Any]) -> None:
        """Nothing known, or the place is taken."""
        sent = event(1, data=data)
        assert UserAgent().enrich(sent) is sent

    def test_a_hostile_text_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user agent of a megabyte costs no more than a long one."""
        enricher = UserAgent()
        parse, lengths = enricher._parse, []

        def spy(text: str) -> Any:
            lengths.append(len(text))
            return parse(text)

        monkeypatch.setattr(enricher, "_parse", spy)
        assert enricher.enrich(with_data(user_agent=IPHONE + "x" * 1_000_000)).data["agent"]["os"] == "iOS"
        assert lengths == [1024]

    def test_the_setting_switches_it_on(self) -> None:
        """``user_agent = true``."""
        text = msgspec.json.encode(_wire(with_data(user_agent=IPHONE)))
        assert "agent" not in Intake().read(text).data
        assert "agent" in Intake(ProcessingSettings(user_agent=True)).read(text).data

    def test_without_the_parser_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the enricher is made, and not when events wait."""
        monkeypatch.setitem(sys.modules, "ua_parser", None)
        with pytest.raises(SettingsError, match=r'needs ua-parser: pip install "fireforget\[enrich\]"'):
            UserAgent()


class TestSession:
    def test_an_events_own_session_is_kept(self) -> None:
        """The caller knows best."""
        sent = event(1, sessionid="s", data={"session_id": "t"})
        assert Session(SECRET).enrich(sent) is sent

    @pytest.mark.parametrize("data", [{"session_id": "s"}, {"sessionId": "s"}, {"metadata": {"session": "s"}}])
    def test_it_is_taken_from_the_data(self, data: dict[str, Any]) -> None:
        """Or from the dictionaries within."""
        assert Session().enrich(event(1, data=data)).sessionid == "s"

    def test_else_it_is_a_hash_of_address_and_agent(self) -> None:
        """The same for one visitor of one day in every process, another for anybody else or another day."""

        def session(ip: str, agent: str, days: int = 0) -> str | None:
            sent = event(1, time=NOON + timedelta(days=days), data={"ip": ip, "metadata": {"user_agent": agent}})
            return Session(SECRET).enrich(sent).sessionid

        mine = session("203.0.113.9", IPHONE)
        assert mine is not None
        assert len(mine) == 32
        assert mine == session("203.0.113.9", IPHONE)
        others = {session("203.0.113.8", IPHONE), session("203.0.113.9", GOOGLEBOT), session("203.0.113.9", IPHONE, 1)}
        assert mine not in others
        assert len(others) == 3

    @pytest.mark.parametrize("secret", [None, SECRET])
    def test_without_an_address_there_is_none(self, secret: bytes | None) -> None:
        """A session is not made up."""
        sent = with_data(user_agent=IPHONE, session=7)
        assert Session(secret).enrich(sent) is sent

    def test_without_a_secret_there_is_no_hash(self) -> None:
        """It would differ from process to process."""
        sent = with_data(ip="203.0.113.9")
        assert Session().enrich(sent) is sent


class TestGeo:
    @pytest.fixture
    def database(self, tmp_path: Path) -> Path:
        file = tmp_path / "places.mmdb"
        london = {
            "city": {"names": {"en": "London", "de": "London"}},
            "continent": {"code": "EU"},
            "country": {"iso_code": "GB"},
            "location": {"time_zone": "Europe/London"},
            "subdivisions": [{"iso_code": "ENG"}],
        }
        file.write_bytes(maxmind_database(london))
        return file

    @pytest.mark.parametrize(
        "data",
        [
            {"ip": "203.0.113.9"},
            {"metadata": {"X-Forwarded-For": "10.0.0.7, 93.184.216.34"}},
            {"remote_addr": "10.0.0.1", "metadata": {"client_ip": "93.184.216.34:80"}},
            {"ips": ["10.0.0.7", "93.184.216.34"]},
        ],
    )
    def test_a_known_address_has_a_place(self, database: Path, data: dict[str, Any]) -> None:
        """The first public address counts, wherever it stands."""
        assert Geo(database).enrich(event(1, data=data)).data["geo"] == {
            "continent": "EU",
            "country": "GB",
            "region": "ENG",
            "city": "London",
            "timezone": "Europe/London",
        }

    @pytest.mark.parametrize(
        "data",
        [{}, {"ip": "10.0.0.1"}, {"ip": "2001:db8::9"}, {"ip": "?"}, {"ip": 7}, {"ip": "203.0.113.9", "geo": "mine"}],
    )
    def test_otherwise_the_event_stays_as_it_is(self, database: Path, data: dict[str, Any]) -> None:
        """No address, none that the database knows or can know, or the place is taken."""
        sent = event(1, data=data)
        assert Geo(database).enrich(sent) is sent

    def test_a_database_of_networks_fits_too(self, tmp_path: Path) -> None:
        """It tells the operator."""
        file = tmp_path / "networks.mmdb"
        file.write_bytes(
            maxmind_database({"autonomous_system_number": 64496, "autonomous_system_organization": "Example"})
        )
        place = Geo(str(file)).enrich(with_data(ip="203.0.113.9")).data["geo"]
        assert place == {"asn": 64496, "organization": "Example"}

    def test_the_setting_switches_it_on_and_privacy_comes_after_it(self, database: Path) -> None:
        """``geo_database`` names the file; the address itself is hashed."""
        text = msgspec.json.encode(_wire(with_data(ip="203.0.113.9")))
        stored = Intake(ProcessingSettings(geo_database=str(database))).read(text)
        assert stored.data["geo"]["country"] == "GB"
        assert stored.data["ip"] != "203.0.113.9"

    @pytest.mark.parametrize("content", [None, b"", b"no database"])
    def test_what_is_no_database_is_refused(self, tmp_path: Path, content: bytes | None) -> None:
        """When the enricher is made; the message names the file."""
        file = tmp_path / "places.mmdb"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SettingsError, match=r"places\.mmdb' cannot be used as a MaxMind database"):
            Geo(file)

    def test_without_the_reader_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the enricher is made, and not when events wait."""
        monkeypatch.setitem(sys.modules, "maxminddb", None)
        with pytest.raises(SettingsError, match=r'needs maxminddb: pip install "fireforget\[enrich\]"'):
            Geo("places.mmdb")

    def test_it_can_be_closed(self, database: Path) -> None:
        """Which frees the file."""
        geo = Geo(database)
        geo.close()
        with pytest.raises(ValueError, match="closed"):
            geo.enrich(with_data(ip="203.0.113.9"))


class Short(msgspec.Struct):
    """An integer of 16 bits."""

    number: int


class Long(msgspec.Struct):
    """An integer of 64 bits."""

    number: int


def maxmind_database(entry: dict[str, Any]) -> bytes:
    """A MaxMind database of IPv4 in which two networks, 203.0.113.0/24 and 93.184.216.0/24, have one entry."""
    nodes: list[list[int | None]] = [[None, None]]
    for network in ((203, 0, 113), (93, 184, 216)):
        bits = "".join(f"{byte:08b}" for byte in network)
        node = 0
        for bit in map(int, bits[:-1]):
            following = nodes[node][bit]
            if following is None:
                nodes.append([None, None])
                following = nodes[node][bit] = len(nodes) - 1
            node = following
        nodes[node][int(bits[-1])] = -1
    empty, found = len(nodes), len(nodes) + 16
    values = {None: empty, -1: found}
    tree = b"".join(values.get(value, value).to_bytes(3, "big") for node in nodes for value in node)  # type: ignore[union-attr]
    metadata = {
        "node_count": len(nodes),
        "record_size": Short(24),
        "ip_version": Short(4),
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": Short(2),
        "binary_format_minor_version": Short(0),
        "build_epoch": Long(1),
        "description": {"en": "two networks"},
    }
    return tree + bytes(16) + _field(entry) + b"\xab\xcd\xefMaxMind.com" + _field(metadata)


def _field(value: Any) -> bytes:
    """One field of the MaxMind data section."""
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(_field(name) + _field(inner) for name, inner in value.items())
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_field, value))
    if isinstance(value, int):
        return _control(6, 4) + struct.pack(">I", value)
    if isinstance(value, Short):
        return _control(5, 2) + struct.pack(">H", value.number)
    if isinstance(value, Long):
        return _control(9, 8) + struct.pack(">Q", value.number)
    content: bytes = value.encode()
    return _control(2, len(content)) + content


def _control(kind: int, size: int) -> bytes:
    first = kind << 5 if kind < 8 else 0
    rest = b"" if kind < 8 else bytes([kind - 7])
    if size < 29:
        return bytes([first | size]) + rest
    return bytes([first | 29]) + rest + bytes([size - 29])
