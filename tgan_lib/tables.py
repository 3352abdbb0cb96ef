"""Tables of results, and the mean of some numbers with their range; part of the face of `plots`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from .errors import check_kind, shown, unknown_name


def mean_range(values: Any, form: str = ",.1f", unit: str = "") -> str:
    """The mean of some numbers, and the least and the most of them in brackets: "25.7 (25.4 to 26.0)".

    values: a sequence, array or tensor, of any shape. form: as in an f-string (".0f", "+.2f"). unit: put after
    the mean (" %"). ValueError if there are none.
    """
    try:
        numbers = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values is {shown(values)}; numbers are right") from error
    if numbers.size == 0:
        raise ValueError("there are no numbers here whose mean and range could be given")
    check_form(form)
    check_kind("unit", unit, str, "a word")
    mean, least, most = (_number(number, form) for number in (numbers.mean(), numbers.min(), numbers.max()))
    return f"{mean}{unit} ({least} to {most})"


def _number(number: Any, form: str) -> str:
    """In this form, with a true minus."""
    return format(number, form).replace("-", "−")


def check_form(form: Any) -> None:
    """ValueError unless a number can be written in this form."""
    try:
        format(0.0, form)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"form is {shown(form)}; a number's form as in an f-string, such as '.2f', is right"
        ) from error


Bar = tuple[
    float, float, float
]  # where the least, the mean and the most lie in their column's range, from 0 to 1


def bars(rows: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Bar]:
    """(row, column) -> where a cell of several numbers lies between the least and the most of its column.

    A column in which fewer than two cells are of several numbers has none, and one without a spread neither.
    """
    spans: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row, cells in rows.items():
        for column, value in cells.items():
            if isinstance(value, str) or np.ndim(value) == 0:
                continue
            numbers = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, np.float64)
            if numbers.size and np.isfinite(numbers).all():
                spans.setdefault(column, {})[row] = (numbers.min(), numbers.mean(), numbers.max())
    found: dict[tuple[str, str], Bar] = {}
    for column, by_row in spans.items():
        low, high = min(span[0] for span in by_row.values()), max(span[2] for span in by_row.values())
        if len(by_row) > 1 and high > low:
            for row, span in by_row.items():
                least, mean, most = (float((number - low) / (high - low)) for number in span)
                found[row, column] = (least, mean, most)
    return found


def drawn(bar: Bar) -> str:
    """A range as a thin line in its column's range, its mean a tick on it. The words beside say the same."""
    least, mean, most = (f"{100 * place:.1f}" for place in bar)
    width = max(float(most) - float(least), 1.5)
    place = "position:absolute;background:currentColor"
    return (
        '<span aria-hidden="true" class="range-bar" style="display:block;position:relative;height:9px;min-width:6em">'
        f'<span style="{place};opacity:0.45;top:4px;height:2px;left:{least}%;width:{width:.1f}%"></span>'
        f'<span style="{place};top:1px;height:8px;width:3px;left:calc({mean}% - 1px)"></span></span>'
    )


def unbroken(cell: str) -> str:
    """A cell whose range stands on one line, below the mean where there is no room beside it."""
    return re.sub(r"\([^()]+ to [^()]+\)( \*)?", r'<span style="white-space: nowrap">\g<0></span>', cell)


@dataclass(frozen=True)
class Table:
    """What `table` makes: HTML where a notebook or a page shows it, text elsewhere; `cell` gives what stands where."""

    caption: str
    corner: str
    columns: dict[str, str]  # name: its unit, or ""
    rows: dict[str, dict[str, str]]
    best: set[tuple[str, str]] = field(default_factory=set)  # (row, column)
    bars: dict[tuple[str, str], Bar] = field(default_factory=dict)

    def cell(self, row: str, column: str) -> str:
        """The words in a cell, to glue. ValueError for an unknown row or column."""
        if row not in self.rows:
            raise unknown_name("row of this table", row, self.rows)
        if column not in self.columns:
            raise unknown_name("column of this table", column, self.columns)
        return self.rows[row].get(column, "")

    def _repr_html_(self) -> str:
        """With header cells for row and column; too wide a table scrolls by itself, by keyboard too."""
        head = "".join(
            f'<th scope="col">{escape(name)}{f" ({escape(unit)})" if unit else ""}</th>'
            for name, unit in self.columns.items()
        )
        body = "".join(
            f'<tr><th scope="row">{escape(row)}</th>'
            + "".join(map(self._cell_html, [row] * len(self.columns), self.columns, self._shown(row)))
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<div role="region" aria-label="{escape(self.caption)}" tabindex="0" style="overflow-x: auto">'
            f'<table class="results-table"><caption>{escape(self.caption)}{self._legend()}</caption>'
            f'<thead><tr><th scope="col">{escape(self.corner)}</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def _cell_html(self, row: str, column: str, text: str) -> str:
        bar = self.bars.get((row, column))
        return f"<td>{unbroken(escape(text))}{drawn(bar) if bar else ''}</td>"

    def __repr__(self) -> str:
        head = [self.corner, *(f"{name} ({unit})" if unit else name for name, unit in self.columns.items())]
        lines = [head, *([row, *self._shown(row)] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        ]
        return "\n".join([self.caption + self._legend(), *shown])

    def _shown(self, row: str) -> list[str]:
        """A row's cells; a star says what is best, since bold is neither read aloud nor seen in plain text."""
        return [
            self.rows[row].get(column, "") + (" *" if (row, column) in self.best else "")
            for column in self.columns
        ]

    def _legend(self) -> str:
        return " (*: best of its column)" if self.best else ""


def table(
    rows: Mapping[str, Mapping[str, Any]],
    *,
    caption: str,
    corner: str = "",
    form: str | Mapping[str, str] = ".2f",
    units: Mapping[str, str] | None = None,
    best: Mapping[str, str] | None = None,
) -> Table:
    """A table of results, rendered, whose cells can be glued: `glue("plain", found.cell("plain", "distance"))`.

    rows: row header -> {column header: a word, a number, or several numbers, shown as `mean_range` does and as a bar
    in the range of its column}; columns stand in the order in which they first appear. corner: the header of the row
    headers. form: of numbers, one for all or by column; whole numbers have none. units: by column. best: column ->
    "least" or "most", by the mean; equals are all marked. ValueError for a column or word that does not exist.
    """
    check_kind("rows", rows, Mapping, "a dictionary of row: {column: value}")
    for row, cells in rows.items():
        check_kind("the header of a row", row, str, "a word")
        check_kind(f"the row {shown(row)}", cells, Mapping, "a dictionary of column: value")
    check_kind("caption", caption, str, "a line of words")
    check_kind("corner", corner, str, "a word")
    check_kind("form", form, (str, Mapping), "a form such as '.2f', or one for each column,")
    check_kind("units", units, (Mapping, type(None)), "a dictionary of column: unit")
    check_kind("best", best, (Mapping, type(None)), "a dictionary of column: 'least' or 'most'")
    for each in form.values() if isinstance(form, Mapping) else [form]:
        check_form(each)
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    units, best = units or {}, best or {}
    for column in [*units, *best, *(form if isinstance(form, Mapping) else ())]:
        if column not in columns:
            raise unknown_name("column of this table", column, columns)
    for how in best.values():
        if how not in ("least", "most"):
            raise unknown_name("way to be best", how, ("least", "most"))
    forms = {column: form if isinstance(form, str) else form.get(column, ".2f") for column in columns}
    text = {
        row: {column: _in_words(value, forms[column]) for column, value in cells.items()}
        for row, cells in rows.items()
    }
    marked = set()
    for column, how in best.items():
        means = {
            row: float(np.mean(np.asarray(cells[column], np.float64)))
            for row, cells in rows.items()
            if column in cells and not isinstance(cells[column], str)
        }
        if finite := [mean for mean in means.values() if np.isfinite(mean)]:
            wanted = min(finite) if how == "least" else max(finite)
            marked |= {(row, column) for row, mean in means.items() if mean == wanted}
    named = {column: units.get(column, "") for column in columns}
    return Table(caption, corner, named, text, marked, bars(rows))


def _in_words(value: Any, form: str) -> str:
    """A cell: words as they are, whole numbers with their thousands apart, other numbers by `form`."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return _number(value, ",")
    return _number(value, form) if np.ndim(value) == 0 else mean_range(value, form)
