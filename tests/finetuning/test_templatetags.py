"""How values look on the pages."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django import forms
from django.template import Context, Template

from finetuning.search import COMMANDS, KINDS
from finetuning.templatetags import finetuning as tags

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STATIC = Path(tags.__file__).parent.parent / "static" / "finetuning"


def rendered(source, **context):
    return Template("{% load finetuning %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "—"),
        (Decimal("0"), "$0.00"),
        (Decimal("0.004"), "< $0.01"),
        (Decimal("0.005"), "< $0.01"),
        (Decimal("12.5"), "$12.50"),
        (0.125, "$0.13"),
        (Decimal("1234567.895"), "$1,234,567.90"),
    ],
)
def test_money_has_two_digits_and_never_hides_a_price(usd, text):
    assert tags.money(usd) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (0, "0"), (1234567, "1,234,567"), (0.25, "0.25"), (1234.56789, "1,234.5679")],
)
def test_number_separates_thousands(value, text):
    assert tags.number(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "—"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1536, "1.5 KB"),
        (100 * 1024 * 1024, "100 MB"),
        (1023 * 1024 * 1024, "0.999 GB"),
        (5 * 1024**4, "5 TB"),
    ],
)
def test_size_has_three_digits_and_a_unit(count, text):
    assert tags.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (-5, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (4 * 86400 + 3700, "4 d 1 h"),
    ],
)
def test_duration_names_the_two_largest_units(seconds, text):
    assert tags.duration(seconds) == text


def test_duration_takes_a_timedelta():
    assert tags.duration(timedelta(minutes=3, seconds=20)) == "3 min 20 s"


def test_short_id_keeps_the_part_that_differs():
    assert tags.short_id("0195d1d1-1111-7000-8000-00000000abcd") == "0000abcd"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-59), "in a moment"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(hours=-3), "in 3 hours"),
    ],
)
def test_relative_time_says_how_long_ago(ago, words):
    assert f">{words}</time>" in tags.relative_time(NOW - ago, now=NOW)


def test_relative_time_keeps_the_exact_moment():
    html = rendered("{% relative_time moment %}", moment=NOW)

    assert 'datetime="2026-11-24T12:00:00+00:00"' in html
    assert 'title="24 November 2026, 12:00:00 UTC"' in html


def test_relative_time_of_nothing_is_a_dash():
    assert tags.relative_time(None) == "—"


@pytest.mark.parametrize(
    ("status", "tone", "word"),
    [("running", "active", "Running"), ("failed", "bad", "Failed"), ("brand_new", "off", "Brand new")],
)
def test_status_badge_shows_a_word_beside_its_dot(status, tone, word):
    html = tags.status_badge(status)

    assert f"state-{tone}" in html
    assert html.endswith(f"</span>{word}</span>")


def test_status_badge_escapes_what_it_does_not_know():
    assert "<script>" not in tags.status_badge("<script>")


def test_icon_is_drawn_from_the_sprite_and_hidden_from_readers():
    html = tags.icon("database")

    assert 'finetuning/icons.svg#database"' in html
    assert 'aria-hidden="true"' in html


def test_every_icon_of_the_templates_is_in_the_sprite(settings):
    sprite = (STATIC / "icons.svg").read_text()
    templates = [path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.html")]

    drawn = {part for text in templates for part in re.findall(r'{% icon "([^"]+)"', text)}
    used = drawn | {found.icon for found in (*KINDS, *COMMANDS)}

    assert {"database", "logout"} <= used
    assert [name for name in used if f'id="{name}"' not in sprite] == []


class SampleForm(forms.Form):
    name = forms.CharField(help_text="Shown in lists.")
    base = forms.ChoiceField(choices=[("a", "A")])
    kind = forms.ChoiceField(choices=[("b", "B")], widget=forms.RadioSelect)
    ready = forms.BooleanField(required=False)


@pytest.mark.parametrize(
    ("name", "css_class"),
    [
        ("name", "form-control"),
        ("base", "form-select"),
        ("kind", "form-check-input"),
        ("ready", "form-check-input"),
    ],
)
def test_field_gives_each_control_its_class(name, css_class):
    assert f'class="{css_class}"' in rendered("{% field bound %}", bound=SampleForm()[name])


def test_field_ties_hint_and_error_to_the_control():
    html = rendered("{% field form.name %}", form=SampleForm({"name": ""}))

    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'class="form-control is-invalid"' in html
    assert 'id="id_name_error"><div>This field is required.</div>' in html


def test_field_groups_radio_buttons_under_a_legend():
    html = rendered("{% field form.kind %}", form=SampleForm())

    assert '<legend class="form-label required">Kind</legend>' in html
