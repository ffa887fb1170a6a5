"""A page as one HTML file: style and script inside, nothing fetched, equal pages in equal bytes."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from scenarios.page import charts
from scenarios.page.model import Page, Timeline
from scenarios.page.text import duration

FOLDER = "templates"


def render(page: Page) -> str:
    """Return the page as HTML."""
    timelines = [block for block in page.blocks() if isinstance(block, Timeline)]
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            timelines=timelines,
            style=Markup(_text("style.css")),
            script=Markup(_text("script.js")),
            data=Markup(_inline_json([block.data for block in timelines])),
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals["distribution_svg"] = lambda item: Markup(charts.distribution(item))
    made.globals["pareto_svg"] = lambda block: Markup(charts.pareto(block))
    made.globals["bars_svg"] = lambda block: Markup(charts.bars(block))
    made.filters["duration"] = duration
    return made


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(FOLDER, name).read_text(encoding="utf-8")


def _inline_json(value: object) -> str:
    """JSON that can stand inside a script element, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
