"""The Jaeger UI as we configure it: what it is given by a real Jaeger, and that its searches find our spans."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backends.backend_process import REPOSITORY
from backends.jaeger import KEYS_OF_THE_UI, Jaeger

UI: dict[str, Any] = json.loads((REPOSITORY / "collector-config" / "jaeger-ui.json").read_text())


SEARCHES = [
    *(item["url"] for menu in UI["menu"] for item in menu["items"]),
    *(link["url"] for link in UI["linkPatterns"] if link["url"].startswith("/search")),
]


def test_jaeger_serves_our_menu_prefixes_and_links(jaeger: Jaeger) -> None:
    with urllib.request.urlopen(f"{jaeger.ui_url}/search", timeout=10) as answer:
        page = answer.read().decode()

    config = re.search(r"JAEGER_CONFIG\s*=\s*(\{.*\});?$", page, re.MULTILINE)
    assert config
    assert json.loads(config[1]) == UI


@pytest.mark.parametrize("url", SEARCHES)
def test_a_search_of_the_ui_asks_for_keys_that_findings_have(url: str) -> None:
    filled = url.replace("#{", "{")  # the UI fills such a part in; to urlsplit it would start a fragment
    query = parse_qs(urlsplit(filled).query)
    tags = json.loads(query.get("tags", ["{}"])[0])

    assert query["service"] == ["spanwarden"]
    assert set(tags) <= KEYS_OF_THE_UI


def test_every_link_starts_from_a_key_that_findings_have() -> None:
    assert {link["key"] for link in UI["linkPatterns"]} <= KEYS_OF_THE_UI
