"""Chat templates that would fill the memory are refused; ordinary ones are not."""

from __future__ import annotations

import pytest

pytest.importorskip("jinja2")
from fmnb.core.errors import BadRequestError
from fmnb.engines.weights import gguf_tokenizer
from fmnb.engines.weights.template_limits import LimitedEnvironment, render_limited

DOUBLE = "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x OP ns.x %}{% endfor %}{{ ns.x }}"
HUGE = {
    "repeat": "{{ 'a' * 10**10 }}",
    "concat": DOUBLE.replace("OP", "~"),
    "add": DOUBLE.replace("OP", "+"),
    "center": "{{ 'a'|center(10000000000) }}",
    "ljust": "{{ 'a'.ljust(10000000000) }}",
    "percent": "{{ '%10000000000d' % 1 }}",
    "star": "{{ '%*d' % (10000000000, 1) }}",
    "format": "{{ '{:10000000000}'.format(1) }}",
    "format width": "{{ '{:{}}'.format(1, 10000000000) }}",
    "format filter": "{{ '%10000000000d'|format(1) }}",
    "replace": "{% set a = 'a' * 100000 %}{{ a.replace('a', a) }}",
    "replace filter": "{% set a = 'a' * 100000 %}{{ a|replace('a', a) }}",
    "join": "{% set a = 'a' * 100000 %}{{ a.join(a) }}",
    "join filter": "{% set a = 'a' * 100000 %}{{ a|list|join(a) }}",
    "list": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = ns.l + ['a' * 10000000 ~ i] %}{% endfor %}",
    "indent": "{{ ('a\n' * 100000)|indent(1000000) }}",
    "power": "{{ 10 ** (10 ** 9) }}",
    "macros": "{% macro m(a) %}{{ a }}{{ a }}{% endmacro %}{% macro n(a) %}{{ m(m(m(m(m(a))))) }}{% endmacro %}{{ n(n(n(n(n(n('aaa')))))) }}",
}


@pytest.mark.parametrize("name", HUGE)
def test_a_template_that_makes_too_much_text_is_refused(name):
    with pytest.raises(BadRequestError, match="rejected the conversation") as error:
        gguf_tokenizer.render(HUGE[name], [], {})
    assert "200,000,000" in str(error.value)


def test_what_ordinary_templates_do_still_works():
    text = (
        "{{ 'a' ~ 1 }} {{ ['x', 'y']|join(', ') }} {{ 'abc'|replace('b', 'd') }} {{ 'abc'.replace('b', 'd') }} {{ '%s-%d' % ('k', 7) }} "
        "{{ '{} {name}'.format(1, name='n') }} {{ messages|map(attribute='role')|join(' ') }} {{ 'ab' * 2 + 'c' }} {{ 2 ** 10 }} "
        "{{ 'x'|center(3) }} {{ [1] + [2] }} {{ 'a\nb'|indent(2) }} {{ messages|tojson }}"
    )
    made = render_limited(LimitedEnvironment().from_string(text), messages=[{"role": "user"}])
    assert made == 'a1 x, y adc adc k-7 1 n user ababc 1024  x  [1, 2] a\n  b [{"role": "user"}]'
