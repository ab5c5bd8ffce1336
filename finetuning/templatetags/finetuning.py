"""How values look on the pages: money, sizes, times, states, icons and form fields."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django import forms, template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NOTHING = "\N{EM DASH}"
MINUTE, HOUR, DAY = 60, 3600, 86400
FOUR_DIGITS = 999.5
UNITS = (("day", DAY), ("hour", HOUR), ("minute", MINUTE))
SPARK_WIDTH, SPARK_HEIGHT = 120, 32
BAR_WIDTH, BARS_HEIGHT = 12, 60
CENT = Decimal("0.01")

# Word of a state -> tone of its dot. The word stands beside the dot: colour alone tells nobody anything.
TONES = {
    "pending": "waiting",
    "validating": "active",
    "queued": "waiting",
    "running": "active",
    "succeeded": "good",
    "failed": "bad",
    "cancelled": "off",
    "processing": "active",
    "valid": "good",
    "invalid": "bad",
    "active": "good",
    "deployed": "good",
    "deprecated": "warning",
    "archived": "off",
    "delivered": "good",
    "enabled": "good",
    "disabled": "off",
    "failing": "bad",
    "healthy": "good",
    "unchecked": "waiting",
    "expired": "off",
}


@register.filter
def money(usd: Decimal | float | None) -> str:
    """Return US dollars with two digits; more than nothing but under a cent is `< $0.01`."""
    if usd is None:
        return NOTHING
    amount = Decimal(str(usd))
    if 0 < amount < CENT:
        return "< $0.01"
    return f"${amount.quantize(CENT, ROUND_HALF_UP):,}"


@register.filter
def price(usd: Decimal | float | None) -> str:
    """Return US dollars, or the word `unknown`: a price that nobody knows is not nothing."""
    return "unknown" if usd is None else money(usd)


@register.filter
def deviation(share: float | None) -> str:
    """Return how much more (or less) something came to than was expected: `+3.2 %`, `-1 %`, `none`."""
    if share is None:
        return NOTHING
    percent = round(100 * share, 1)
    return f"{percent:+,.1f} %".replace(".0 ", " ") if percent else "none"


@register.filter
def number(value: float | None) -> str:
    """Return a number with thousands separators; a fraction keeps up to four digits."""
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")


@register.filter(name="bytes")
def size(count: int | None) -> str:
    """Return a size with three digits; 1 MB is 1,048,576 bytes, as in the limit on uploads."""
    if count is None:
        return NOTHING
    amount = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < FOUR_DIGITS:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} TB"


@register.filter
def duration(value: timedelta | float | None) -> str:
    """Return a time span (or seconds) by its two largest units: `3 min 20 s`, `2 h 5 min`."""
    if value is None:
        return NOTHING
    seconds = max(0, round(value.total_seconds() if isinstance(value, timedelta) else value))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return _two_units(seconds, MINUTE, "min", 1, "s")
    if seconds < DAY:
        return _two_units(seconds, HOUR, "h", MINUTE, "min")
    return _two_units(seconds, DAY, "d", HOUR, "h")


def _two_units(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large} {large_name}" + (f" {rest} {small_name}" if rest else "")


@register.filter
def short_id(value: object) -> str:
    """Return the last eight characters of an id: the first ones of a UUIDv7 are its time and look alike."""
    return str(value)[-8:]


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite; it is decoration, so the text beside it must say the same."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("finetuning/icons.svg"),
        name,
    )


@register.simple_tag
def status_badge(status: str) -> SafeString:
    """Draw a state as a coloured dot and its word; a state that is not known gets a grey dot."""
    return format_html(
        '<span class="state state-{}"><span class="state-dot" aria-hidden="true"></span>{}</span>',
        TONES.get(status, "off"),
        str(status).replace("_", " ").capitalize(),
    )


@register.simple_tag
def relative_time(moment: datetime | None, now: datetime | None = None) -> SafeString | str:
    """Draw `3 minutes ago` as a `<time>` whose title is the exact time; the script keeps it fresh."""
    if moment is None:
        return NOTHING
    seconds = ((now or timezone.now()) - moment).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        moment.isoformat(),
        moment.strftime("%d %B %Y, %H:%M:%S %Z"),
        _in_words(seconds),
    )


def _in_words(seconds: float) -> str:
    """Words for a distance of time; app.js says the same, so that a refresh changes nothing."""
    distance = abs(seconds)
    if distance < MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    unit, length = next((unit, length) for unit, length in UNITS if distance >= length)
    count = int(distance // length)
    words = f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{words} ago" if seconds >= 0 else f"in {words}"


@register.simple_tag
def sparkline(counts: Sequence[int]) -> SafeString:
    """Draw counts as a small line; it is decoration, so the text beside it must say what matters."""
    top = max(*counts, 1)
    points = [
        f"{SPARK_WIDTH * index / (len(counts) - 1):.1f},{1 + (SPARK_HEIGHT - 2) * (1 - count / top):.1f}"
        for index, count in enumerate(counts)
    ]
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><polygon points="0,{height} {line} {width},{height}"></polygon>'
        '<polyline points="{line}"></polyline></svg>',
        width=SPARK_WIDTH,
        height=SPARK_HEIGHT,
        line=" ".join(points),
    )


@register.inclusion_tag("_bars.html")
def bars(rows: Sequence[tuple[object, float, str]], title: str, of: str) -> dict[str, object]:
    """Draw rows of (label, value, value in words) as columns, and as a table; `of` is what the labels are."""
    top = max((value for _, value, _ in rows), default=0) or 1
    return {
        "title": title,
        "of": of,
        "width": BAR_WIDTH * len(rows),
        "height": BARS_HEIGHT,
        "bars": [
            {
                "label": label,
                "words": words,
                "x": BAR_WIDTH * index + 1,
                "y": round(BARS_HEIGHT * (1 - float(value / top)), 1),
                "height": round(BARS_HEIGHT * float(value / top), 1),
            }
            for index, (label, value, words) in enumerate(rows)
        ],
    }


@register.filter
def total(counts: Iterable[int]) -> int:
    """Add up a list of numbers."""
    return sum(counts)


@register.inclusion_tag("_field.html")
def field(bound: BoundField) -> dict[str, object]:
    """Draw a form field with its label, help text and errors in Tabler's markup."""
    widget = bound.field.widget
    is_group = isinstance(widget, forms.RadioSelect)
    is_checkbox = isinstance(widget, forms.CheckboxInput)
    if is_group or is_checkbox:
        css_class = "form-check-input"
    else:
        css_class = "form-select" if isinstance(widget, forms.Select) else "form-control"
    widget.attrs["class"] = css_class + (" is-invalid" if bound.errors else "")
    return {"field": bound, "is_group": is_group, "is_checkbox": is_checkbox}
