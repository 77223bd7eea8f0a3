# SPDX-License-Identifier: Apache-2.0
"""The local time of places, as a tool: JSON in, JSON out, from several threads at once."""

import difflib
import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any

_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+\-\u2212])\s*(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)


class WorldClock:
    """The local time of places, by city, country, IANA zone name or UTC offset.

    Args:
        now: Gives the present moment, with a time zone; the system's clock by default.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._now = now or _utc_now

    def world_clock(self, place: str) -> dict[str, Any]:
        """Tell the local time of a place.

        Args:
            place: A city, a country, an IANA zone name or an offset: "Tokyo", "Kenya", "Europe/Paris", "UTC+2".

        Returns:
            ``place``, ``timezone``, ``time``, ``date``, ``weekday``, ``utc_offset`` and ``summary``.
        """
        if cities := _SEVERAL_ZONES.get(key_of(place)):
            return {"error": f"{place.strip()} has several time zones: name a city, such as {cities}."}
        found = _offset(place) or _known_place(place)
        if found is None:
            return _unknown(place)
        local = self._now().astimezone(found.zone)
        minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
        offset = _offset_text(minutes)
        where = found.name if found.name.startswith("UTC") else f"{found.name} (UTC{offset})"
        return {
            "place": found.name,
            "timezone": str(found.zone),
            "time": f"{local:%H:%M}",
            "date": f"{local:%Y-%m-%d}",
            "weekday": f"{local:%A}",
            "utc_offset": offset,
            "summary": f"It is {local:%H:%M} on {local:%A}, {local.day} {local:%B %Y} in {where}.",
        }


def places_in(text: str) -> list[str]:
    """Give the names in a text that are places, as they are written there and in that order."""
    words = list(re.finditer(r"[^\W_](?:[\w'.]*\w)?", text))
    found: list[str] = []
    index = 0
    while index < len(words):
        for length in (4, 3, 2, 1):
            group = words[index : index + length]
            name = text[group[0].start() : group[-1].end()]
            if len(group) == length and _is_place(name, text[: group[0].start()]):
                found.append(name)
                index += length - 1
                break
        index += 1
    return list(dict.fromkeys(found))


def key_of(text: str) -> str:
    """Reduce a name to what spellings have in common: no accents, case, dots or underscores."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", text) if not unicodedata.combining(part))
    return " ".join(re.sub(r"[\W_]+", " ", re.sub(r"[.'\u2019]", "", plain.casefold())).split())


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    zone: tzinfo


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _is_place(name: str, before: str) -> bool:
    """Tell whether words are meant as a place: small words are only where a place is to be expected."""
    key = key_of(name)
    if not re.fullmatch(r"[\w'. -]+", name) or (key not in _zone_names() and key not in _SEVERAL_ZONES):
        return False
    if len(name) <= 3:
        return name.isupper()
    return name[0].isupper() or bool(re.search(r"(?:\b(?:in|at|for|between|and|from|to)|,)\s+$", before))


def _offset(text: str) -> _Place | None:
    given = _OFFSET.fullmatch(text.strip())
    minutes = int(given[2]) * 60 + int(given[3] or 0) if given else 0
    if given is None or minutes > 14 * 60:
        return None
    minutes = minutes if given[1] == "+" else -minutes
    name = f"UTC{_offset_text(minutes)}"
    return _Place(name, timezone(timedelta(minutes=minutes), name))


def _known_place(text: str) -> _Place | None:
    names = _zone_names()
    city, _, region = (key_of(part) for part in text.partition(","))
    found = names.get(key_of(text)) or names.get(city)
    # "Lyon, France" is there, and "Paris, Texas" is not the Paris that is known.
    elsewhere = region and region not in _SEVERAL_ZONES and names.get(region, ("", ""))[1] != (found or ("", ""))[1]
    return None if found is None or elsewhere else _Place(found[0], zoneinfo.ZoneInfo(found[1]))


def _unknown(text: str) -> dict[str, Any]:
    names = _zone_names()
    if not names:
        return {"error": "No time zones are installed. Install the tzdata package, or name an offset such as UTC+2."}
    near = difflib.get_close_matches(key_of(text[:100]), list(names), n=3, cutoff=0.65)
    shown = text[:100].encode("utf-8", "replace").decode()
    message = f"No place {shown!r} is known. Name a larger city in its zone, a zone such as Europe/Paris, or UTC+2."
    return {"error": message, "suggestions": list(dict.fromkeys(names[name][0] for name in near))}


def _offset_text(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@cache
def _zone_names() -> dict[str, tuple[str, str]]:
    """Give what each known place is called and its zone, by key: all IANA zones, their cities, and the names below."""
    zones = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    known: dict[str, tuple[str, str]] = {}
    for zone in zones:
        if not zone.startswith("Etc/"):  # Etc/GMT+5 is five hours *behind*
            city = zone.rsplit("/", 1)[-1].replace("_", " ")
            known.setdefault(key_of(zone), (city, zone))
            known.setdefault(key_of(city), (city, zone))
    for zone, names in _NAMES.items():
        if zone in zones:
            known.update({key_of(name): (name, zone) for name in names.split(", ")})
    return known


_SEVERAL_ZONES = {
    **dict.fromkeys(("us", "usa", "united states", "america"), "New York, Chicago, Denver or Los Angeles"),
    "canada": "Toronto, Winnipeg, Edmonton or Vancouver",
    "mexico": "Mexico City, Cancun or Tijuana",
    "brazil": "São Paulo, Manaus or Rio Branco",
    "australia": "Sydney, Brisbane, Adelaide, Darwin or Perth",
    "russia": "Moscow, Yekaterinburg, Novosibirsk or Vladivostok",
    "indonesia": "Jakarta, Makassar or Jayapura",
}
# Names that are no IANA city.
_NAMES = {
    "Etc/UTC": "UTC, GMT",
    "America/New_York": "New York City, NYC, Boston, Washington, Washington DC, Philadelphia, Atlanta, Miami",
    "America/Chicago": "Dallas, Houston, Austin, Texas",
    "America/Los_Angeles": "LA, San Francisco, Seattle, San Diego, Portland, Las Vegas, California",
    "America/Sao_Paulo": "São Paulo, Rio de Janeiro, Rio, Brasilia",
    "Europe/London": "United Kingdom, UK, Great Britain, England, Scotland, Wales, Edinburgh, Manchester, Oxford",
    "Europe/Berlin": "Germany, Hamburg, Munich, München, Frankfurt, Cologne, Köln",
    "Europe/Paris": "France, Lyon, Marseille",
    "Europe/Madrid": "Spain, Barcelona",
    "Europe/Rome": "Italy, Milan, Naples",
    "Europe/Amsterdam": "Netherlands, The Netherlands, Rotterdam, The Hague",
    "Europe/Zurich": "Switzerland, Geneva, Basel, Bern",
    "Asia/Jerusalem": "Israel, Tel Aviv",
    "Asia/Dubai": "UAE, United Arab Emirates, Abu Dhabi",
    "Asia/Kolkata": "India, Mumbai, Delhi, New Delhi, Bangalore, Bengaluru, Chennai, Darjeeling",
    "Asia/Shanghai": "China, Beijing, Shenzhen",
    "Asia/Tokyo": "Japan, Osaka, Kyoto",
    "Asia/Seoul": "South Korea, Korea",
    "Pacific/Auckland": "New Zealand, Wellington",
    "Africa/Cairo": "Egypt",
    "Africa/Nairobi": "Kenya",
    "Africa/Johannesburg": "South Africa, Cape Town",
}
