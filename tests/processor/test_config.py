"""Settings: three sources, one check."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanwarden_processor.config import Address, default_data_dir, load, parse_address
from spanwarden_processor.errors import ConfigurationError

BACKEND = {"forward": "http://127.0.0.1:14317"}


def test_flags_stand_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("forward: http://file:1\nevidence: none\nsession_idle_seconds: 7\n")

    settings = load(
        {"forward": "http://flag:3", "evidence": None},
        file=file,
        environment={"SPANWARDEN_FORWARD": "http://variable:2", "SPANWARDEN_EVIDENCE": "offsets"},
    )

    assert (settings.forward, settings.evidence, settings.session_idle_seconds) == ("http://flag:3", "offsets", 7.0)


def test_a_file_may_name_variables_with_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("forward: ${env:BACKEND}\nlisten: ${env:LISTEN:-127.0.0.1:5000}\n")

    settings = load({}, file=file, environment={"BACKEND": "http://jaeger:4317"})

    assert settings.forward == "http://jaeger:4317"
    assert settings.listen == Address("127.0.0.1", 5000)


def test_without_a_directory_the_data_are_in_the_home_directory_where_verdicts_looks() -> None:
    settings = load(BACKEND, environment={})

    assert settings.data_dir == Path.home() / ".local/share/spanwarden"
    assert settings.data_dir == default_data_dir({})


def test_admin_can_be_switched_off() -> None:
    assert load({**BACKEND, "admin": "none"}, environment={}).admin is None


def test_an_ipv6_address_is_read_and_written_in_brackets() -> None:
    assert str(parse_address("[::1]:4317")) == "[::1]:4317"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, "--forward is missing"),
        ({"forward": "jaeger:4317"}, "--forward: expected http://HOST:PORT"),
        ({"forward": "http://jaeger:4317/v1/traces"}, "--forward: a path means OTLP/HTTP"),
        ({"forward": "http://localhost:4317"}, "this process's own listener"),
        ({**BACKEND, "listen": "4317"}, "--listen: expected HOST:PORT"),
        ({**BACKEND, "evidence": "some"}, "--evidence: Input should be 'quote', 'offsets' or 'none'"),
        ({**BACKEND, "spool_bytes": 3_000_000}, "spool_bytes must be at least"),
        ({**BACKEND, "forwards": "x"}, "--forwards: no such setting"),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it(flags: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(flags, environment={})

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("forward: [", "is not YAML"),
        ("- forward", "expected a mapping"),
        ("forward: ${env:NOWHERE}", "the variable NOWHERE is not set"),
        ("forwad: http://a:1", "forwad: no such setting"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)

    with pytest.raises(ConfigurationError, match=str(file)) as caught:
        load({}, file=file, environment={})

    assert expected in str(caught.value)


def test_a_wrong_variable_is_named_as_the_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"^SPANWARDEN_EVIDENCE: "):
        load(BACKEND, environment={"SPANWARDEN_EVIDENCE": "maybe"})
