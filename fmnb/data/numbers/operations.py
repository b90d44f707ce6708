"""Words that name an operation: average, total, share, more than, rose, times, rank."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CUES = {
    "missing": r"missing|nulls?|nans?|blanks?|gaps|holes|empty|unknown values?|lack(?:s|ing)?(?: an?)?|no (?:recorded |known )?value"
    r"|unrecorded|without (?:an? )?(?:value|entry|figure|known)?",
    "median": r"medians?|middle value|half of (?:all |the )?\w+ (?:are|were|is|was|took|cost|closed|weigh\w*|earn\w*)",
    "mean": r"average[sd]?|averaging|mean|means|avg\.?|on average|typical(?:ly)?",
    "std": r"standard deviation|std\.?(?: dev\.?)?|s\.?d\.",
    "correlation": r"correlat\w+",
    "distinct": r"distinct|different|unique|separate",
    "range": r"range of|spread|spans? of",
    "sum": r"total(?:s|l?ed|l?ing)?|sum(?:s|med)?|combined|altogether|in all|together|cumulative(?:ly)?|adds? up|overall (?:sum|total)"
    r"|aggregate|collectively",
    "max": r"max(?:imum|imal)?|highest|most|largest|longest|hottest|warmest|biggest|heaviest|fastest|priciest|greatest|peak(?:s|ed)?"
    r"|peaking|record(?! count)(?!s)|top(?:s|ped|ping)?|windiest|wettest|tallest|costliest|strongest|best|worst|oldest|latest|high of"
    r"|all-time high|ceiling|as high as|maxes out|busiest|richest|slowest|steepest|deepest|furthest|farthest|most \w+",
    "min": r"min(?:imum|imal)?|lowest|least|smallest|shortest|coldest|coolest|lightest|slowest|cheapest|fewest|bottom(?:s|ed)?|weakest"
    r"|worst|best|youngest|driest|calmest|low of|all-time low|floor|as low as|as little as|trough|quickest|fastest|poorest|newest|earliest",
    "share": r"share|proportion|fraction|percentage of|accounts? for|accounted for|accounting for|make(?:s)? up|made up|making up"
    r"|represent(?:s|ed|ing)?|out of|compris\w+|constitut\w+|of all|of the|rate",
    "difference": r"difference|gap|differ(?:s|ed)?|more than|less than|higher|lower|above|below|ahead|behind|exceed(?:s|ed)?|trail(?:s|ed)?"
    r"|beat(?:s|ing)?|outperform\w*|greater|fewer|heavier|lighter|longer|shorter|warmer|colder|hotter|cooler|larger|bigger|smaller|faster"
    r"|slower|better|worse|apart|lead|leads|advantage|margin|more|less|older|younger|cheaper|dearer|out-?\w+ed",
    "change": r"increas\w+|ris(?:e|es|ing|en)|rose|grew|grow(?:s|n|ing|th)?|climb\w*|jump\w*|gain\w*|surg\w+|soar\w*|(?<!make )(?<!makes )(?<!made )(?<!making )up|decreas\w+"
    r"|fell|fall(?:s|en|ing)?|dropp?\w*|declin\w+|shr[aiu]nk\w*|lost|los(?:e|es|ing|s)|slid|slipp?\w*|plung\w+|down|change[sd]?|cut"
    r"|improv\w+|add(?:s|ed|ing)|expand\w*|swell\w*|swelled|rall(?:y|ied)|tumbl\w+|sank|appreciat\w+|reduc\w+|doubl\w+|tripl\w+",
    "ratio": r"ratio|times|twice|double[sd]?|triple[sd]?|\w+fold|as many|as much",
    "rank": r"rank(?:s|ed|ing)?|place(?:s|d)?|position|comes in|finish\w*|number \d|no\. ?\d|#\d",
    "count": r"number of|number(?:s|ed|ing)|count(?:s|ed)?|there (?:are|were|is|was)|how many|rows?|records?|entries|observations?|instances"
    r"|cases|contains?|includes?|lists?|has|have|had|tally|saw|recorded|occurr?\w*|amount(?:s|ed)? to|appear\w*|covers?|holds?",
    "per": r"(?:per|each|every|a)(?=\s\w)",
}
_FORMS = {name: re.compile(rf"\b(?:{form})(?!\w)", re.I) for name, form in _CUES.items()}
AGGREGATES = ("mean", "median", "sum", "min", "max", "std", "range")

UP = re.compile(
    r"\b(?:increas\w+|ris(?:e|es|ing|en)|rose|grew|grow(?:s|n|ing|th)?|climb\w*|jump\w*|gain\w*|surg\w+|soar\w*|(?<!make )(?<!makes )(?<!made )(?<!making )up|higher|more|above|ahead"
    r"|greater|heavier|longer|warmer|hotter|larger|bigger|faster|better|exceed\w*|improv\w+|add(?:s|ed|ing)|expand\w*|swell\w*|rall(?:y|ied)"
    r"|beat\w*|outperform\w*|leads?|appreciat\w+|older|dearer|out-?\w+ed|increase)\b",
    re.I,
)
DOWN = re.compile(
    r"\b(?:decreas\w+|fell|fall(?:s|en|ing)?|dropp?\w*|declin\w+|shr[aiu]nk\w*|lost|los(?:e|es|ing|s)|slid|slipp?\w*|plung\w+|down|lower"
    r"|less|fewer|below|behind|lighter|shorter|colder|cooler|smaller|slower|worse|trail\w*|reduc\w+|cut|tumbl\w+|sank|short of|younger"
    r"|cheaper)\b",
    re.I,
)


@dataclass(frozen=True)
class Cue:
    """One word that names an operation, and its place."""

    operation: str
    start: int
    end: int


def operations(text: str) -> list[Cue]:
    """The cues of a sentence.

    >>> [c.operation for c in operations("the average share")]
    ['mean', 'share']
    """
    return [Cue(name, *m.span()) for name, form in _FORMS.items() for m in form.finditer(text)]


def direction(text: str) -> int:
    """1 where the words go up, -1 where they go down, 0 where neither or both do.

    >>> direction("rose by"), direction("fell from"), direction("is")
    (1, -1, 0)
    """
    up, down = bool(UP.search(text)), bool(DOWN.search(text))
    return int(up) - int(down)
