"""Reads an answer sentence by sentence and traces its figures to tables and passages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .condition import Condition
from .figure_context import FigureContext, context_of
from .figure_text import FigureText
from .filter_sets import Carried
from .language import is_english
from .no_claims import no_claim
from .parse import figures
from .passages import Passages
from .read_earlier import Said, read_earlier, restates
from .read_ranks import top_of
from .reading import Reading
from .readings import readings
from .report import Figure, NumberReport
from .sentence_links import SentenceLinks, link
from .sentences import Sentence, sentences
from .table import MOST_VALUES, Table
from .verdict import choose, in_passage, not_traced, record, traced, unit_note

MOST_FIGURES = 200
MOST_TEXT = 50_000
_HEADING = re.compile(r"\s*(?:#{1,6}\s|\*\*[^*]+\*\*:?\s*$|[-*•]?\s*[^.!?]{1,60}:\s*$)")
_ITEM = re.compile(r"\s*(?:[-*•+|]|\d{1,2}[.)])\s?")


@dataclass
class _Context:
    """What earlier sentences of the answer were about, for each table."""

    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    headings: dict[str, list[Condition]] = field(default_factory=dict)
    topics: dict[str, list[str]] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)


class Tracer:
    """Tables and passages that many answers can be checked against."""

    def __init__(
        self,
        tables: Mapping[str, object] | None = None,
        passages: Sequence[str] = (),
        units: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.tables = [Table(name, table, units, aliases) for name, table in (tables or {}).items()]
        self.passages = Passages(passages) if passages else None

    def check(self, text: str) -> NumberReport:
        """The figures of a text with their sources."""
        notes = []
        if len(text) > MOST_TEXT:
            notes.append(f"not searched: the text after {MOST_TEXT:,} characters")
            text = text[:MOST_TEXT]
        if not is_english(text):
            return NumberReport((), (*notes, "not searched: only English is read"))
        for table in self.tables:
            notes += [f"not searched: values of {name} after the first {MOST_VALUES:,}" for name in table.shortened]
        if self.passages and not self.passages.complete:
            notes.append("not searched: passages beyond their first 400,000 characters")
        found: list[Figure] = []
        context = _Context()
        for sentence in sentences(text):
            written = [f for f in figures(sentence.text) if f.start >= sentence.figures_from]
            if len(found) + len(written) > MOST_FIGURES:
                notes.append(f"not searched: figures after the first {MOST_FIGURES}")
                break
            found += _Reader(self, sentence, written, context).read()
        return NumberReport(tuple(found), tuple(notes))


class _Reader:
    """One sentence: links it, reads its figures, then reads open ones from the others."""

    def __init__(self, tracer: Tracer, sentence: Sentence, written: list[FigureText], context: _Context) -> None:
        self.passages, self.sentence, self.written, self.context = tracer.passages, sentence, written, context
        self.linked = self._links(tracer.tables)
        self.said: list[Said] = []
        self.results: dict[int, Figure] = {}

    def _links(self, tables: Sequence[Table]) -> list[SentenceLinks]:
        """The sentence in the tables that it names most of; two only if they are as good."""
        every = figures(self.sentence.text) if self.sentence.figures_from else self.written
        made = []
        for table in tables:
            period = next((c for c in self.context.conditions.get(table.name, []) if c.relation == "period"), None)
            made.append(link(self.sentence.text, every, table, period))
        made.sort(key=lambda linked: -linked.strength)
        return [linked for linked in made if linked.strength >= made[0].strength - 0.5][:2]

    def read(self) -> list[Figure]:
        open_figures: list[tuple[FigureText, list[FigureContext], list[Reading]]] = []
        limits = {limit.figure.start for linked in self.linked for limit in linked.thresholds}
        for figure in sorted(self.written, key=lambda f: f.start in limits):  # a limit comes after what it limits
            result = self._without_reading(figure) or self._used_as_limit(figure)
            if result is None:
                asks, found = self._read(figure)
                result = self._match(figure, asks, found)
                if result is None:
                    open_figures.append((figure, asks, found))
                    continue
            self.results[figure.start] = result
        self._drop_doubles()
        for figure, asks, found in open_figures:
            self.results[figure.start] = self._match_earlier(figure, asks) or self._match_passage(figure) or self._rest(figure, asks, found)
        self._drop_doubles_of_passages()
        self._remember()
        return [self.results[f.start] for f in self.written]

    def _without_reading(self, figure: FigureText) -> Figure | None:
        """The record of a figure that is no claim, or a date."""
        offset, text = self.sentence.start, self.sentence.text
        if not self.sentence.figures_from and (why := no_claim(figure, text)):
            return record(figure, offset, "no_claim", why)
        top = top_of(text)
        if top and top[1] <= figure.start < top[2]:
            return record(figure, offset, "condition", "how many are counted")
        if any(figure.start in linked.conditions for linked in self.linked):
            return record(figure, offset, "condition", "a condition of the sentence")
        if figure.kind != "date":
            return None
        used = any(figure.start in linked.periods.used for linked in self.linked)
        if self.passages and not used:
            found = self.passages.find(figure, text)
            if found.traced:
                return in_passage(figure, offset, found, [])
            return record(figure, offset, "untraced" if figure.when and figure.when.grain != "month of any year" else "label", "not traced")
        return record(figure, offset, "label", "a date that chooses rows" if used else "a date")

    def _used_as_limit(self, figure: FigureText) -> Figure | None:
        """The record of the 30 in "above 30 mpg", if another figure was traced under this condition."""
        stated = {limit.condition for linked in self.linked for limit in linked.thresholds if limit.figure.start == figure.start}
        if any(stated & set(said.reading.conditions) for said in self.said):
            return record(figure, self.sentence.start, "condition", "a condition of the sentence")
        return None

    def _read(self, figure: FigureText) -> tuple[list[FigureContext], list[Reading]]:
        asks = [
            context_of(figure, linked, self._carried(linked.table.name), self.context.topics.get(linked.table.name, ()))
            for linked in self.linked
        ]
        return asks, [r for a in asks for r in readings(a)]

    def _carried(self, table: str) -> Carried:
        heading = self.context.headings.get(table, [])
        return Carried(tuple(heading or self.context.conditions.get(table, ())), bool(heading))

    def _match(self, figure: FigureText, asks: list[FigureContext], found: list[Reading]) -> Figure | None:
        reading, odds = choose(figure, found)
        if reading is None:
            return None
        own = next((a for a in asks if a.table.name == reading.table), asks[0])
        self.said.append(Said(figure, reading))
        return traced(figure, self.sentence.start, reading, odds, unit_note(figure, reading, own))

    def _match_earlier(self, figure: FigureText, asks: list[FigureContext]) -> Figure | None:
        before = sorted(self.said, key=lambda s: s.figure.start)
        operands = [*[replace(s, ago=s.ago + 1) for s in self.context.said], *before]
        for one in asks[:1]:
            found = [replace(r, table=one.table.name) for r in read_earlier(one, operands)]
            reading, odds = choose(figure, found)
            if reading is not None:
                self.said.append(Said(figure, reading))
                return traced(figure, self.sentence.start, reading, odds)
        return None

    def _match_passage(self, figure: FigureText) -> Figure | None:
        if not self.passages:
            return None
        found = self.passages.find(figure, self.sentence.text)
        if not found.traced:
            return None
        return in_passage(figure, self.sentence.start, found, [o.figure.value for o in self.passages.occurrences])

    def _rest(self, figure: FigureText, asks: list[FigureContext], found: list[Reading]) -> Figure:
        offset = self.sentence.start
        stated = {limit.figure.start for linked in self.linked for limit in (*linked.thresholds, *linked.exact)}
        others = any(g.start != figure.start and g.kind != "date" and not no_claim(g, self.sentence.text) for g in self.written)
        if figure.start in stated and others:
            return record(figure, offset, "condition", "a condition of the sentence")
        note = "" if not asks or asks[0].columns or found else "no column is named"
        return not_traced(figure, offset, asks[0] if len(asks) == 1 else None, found, note)

    def _drop_doubles(self) -> None:
        """Takes back figures of a sentence that share one reading: it can explain one of them at most."""
        shared: dict[tuple[object, ...], list[Said]] = {}
        for said in self.said:
            reading = said.reading
            key = (reading.operation, reading.column, frozenset(reading.conditions), said.figure.kind)
            shared.setdefault(key, []).append(said)
        for doubles in shared.values():
            doubles.sort(key=lambda said: said.figure.start)
            doubles = [d for k, d in enumerate(doubles) if not k or not restates(self.sentence.text, doubles[k - 1].figure, d.figure)]
            best = min(said.reading.tier for said in doubles)
            kept = [said for said in doubles if said.reading.tier == best]
            for said in doubles if len(kept) > 1 else [d for d in doubles if d.reading.tier > best]:
                self.said.remove(said)
                self.results[said.figure.start] = record(
                    said.figure, self.sentence.start, "untraced", "not traced: two figures have one reading"
                )

    def _drop_doubles_of_passages(self) -> None:
        """Takes back figures of a sentence that share one place in a passage."""
        places: dict[tuple[object, ...], list[FigureText]] = {}
        for figure in self.written:
            source = self.results[figure.start].source
            if source is not None and source.passage is not None:
                places.setdefault((source.passage, source.start), []).append(figure)
        for doubles in places.values():
            kept = [f for k, f in enumerate(doubles) if not k or not restates(self.sentence.text, doubles[k - 1], f)]
            for figure in kept if len(kept) > 1 else []:
                self.results[figure.start] = record(figure, self.sentence.start, "untraced", "not traced: two figures have one source")

    def _remember(self) -> None:
        for linked in self.linked[:1]:
            name = linked.table.name
            by_column: dict[str, list[Condition]] = {}
            for choice in linked.values:
                by_column.setdefault(choice.options[0].column, []).append(choice.options[0])
            single = [c[0] for c in by_column.values() if len({x.value for x in c}) == 1]
            spans = linked.periods.conditions if len(linked.periods.conditions) == 1 else ()
            if self.sentence.opens and _HEADING.match(self.sentence.text):
                self.context.headings[name] = [*single, *spans]
                self.context.conditions.pop(name, None)
            elif self.sentence.opens and not _ITEM.match(self.sentence.text):
                self.context.headings.pop(name, None)  # a paragraph of its own
            if single or spans:
                kept = [] if single else [c for c in self.context.conditions.get(name, []) if c.relation == "="]
                self.context.conditions[name] = [*kept, *single, *spans]
            if named := [m.column.name for m in linked.measures]:
                self.context.topics[name] = named
        earlier = [replace(s, ago=s.ago + 1) for s in self.context.said if s.ago < 1]
        if self.written:
            self.context.said = [*earlier, *self.said][-6:]
