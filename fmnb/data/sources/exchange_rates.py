"""The source `exchange_rates`: daily rates of the European Central Bank, through Frankfurter.

Source: https://frankfurter.dev
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from ...core.errors import UnexpectedResponseError, UsageError
from .source import LiveSource, source
from .web import get_json


def exchange_rates_source(base: str = "https://api.frankfurter.dev", allow: tuple[str, ...] = ()) -> LiveSource[..., str]:
    """The source `exchange_rates`. Another address than Frankfurter's is for a server of your own."""

    @source(ttl="1h", name="exchange_rates")
    def exchange_rates(of: str = "EUR", to: list[str] | None = None) -> str:
        """Reference rates of currencies, given as codes such as EUR.

        One unit of the currency `of` in each of the currencies `to`, or in all.
        """
        codes = [of.strip().upper(), *(t.strip().upper() for t in to or ())]
        if bad := [c for c in codes if not re.fullmatch(r"[A-Z]{3}", c)]:
            raise UsageError("That is no currency", detail=bad[0][:20], hint="Use its code of three letters, such as NOK.")
        query = {"base": codes[0], **({"symbols": ",".join(codes[1:])} if codes[1:] else {})}
        found = get_json(f"{base}/v1/latest?{urlencode(query)}", allow)
        rates = found.get("rates") if isinstance(found, dict) else None
        if not isinstance(rates, dict) or not rates:
            raise UnexpectedResponseError("Frankfurter did not answer as documented", detail=type(found).__name__)
        lines = [f"1 {codes[0]} = {rate} {code}" for code, rate in rates.items()]
        return "\n".join([f"Reference rates of the European Central Bank of {found.get('date', 'an unknown day')}:", *lines])

    return exchange_rates
