"""Chat templates that would fill the memory are refused; ordinary ones are not."""

from __future__ import annotations

import pytest

pytest.importorskip("jinja2")
from fmnb.core.errors import BadRequestError
from fmnb.engines.weights import chat_template, template_limits
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
        chat_template.render(HUGE[name], [], {})
    assert "200,000,000" in str(error.value)


def test_what_ordinary_templates_do_still_works():
    text = (
        "{{ 'a' ~ 1 }} {{ ['x', 'y']|join(', ') }} {{ 'abc'|replace('b', 'd') }} {{ 'abc'.replace('b', 'd') }} {{ '%s-%d' % ('k', 7) }} "
        "{{ '{} {name}'.format(1, name='n') }} {{ messages|map(attribute='role')|join(' ') }} {{ 'ab' * 2 + 'c' }} {{ 2 ** 10 }} "
        "{{ 'x'|center(3) }} {{ [1] + [2] }} {{ 'a\nb'|indent(2) }} {{ messages|tojson }}"
    )
    made = render_limited(LimitedEnvironment().from_string(text), messages=[{"role": "user"}])
    assert made == 'a1 x, y adc adc k-7 1 n user ababc 1024  x  [1, 2] a\n  b [{"role": "user"}]'


ENDLESS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a filtered loop": "{% for a in range(99999) %}{% for b in range(99999) if b < 0 %}{% endfor %}{% endfor %}",
    "a generator": "{% for a in range(99999) %}{% for b in range(99999)|map('abs') %}{% endfor %}{% endfor %}",
    "a string": "{% set s = 'a' * 90000000 %}{% for a in s %}{% endfor %}",
    "a macro that calls itself twice": "{% macro m(n) %}{% if n %}{% set a = m(n - 1) %}{% set b = m(n - 1) %}{% endif %}{% endmacro %}{{ m(60) }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_that_hardly_ends_is_refused(name, monkeypatch):
    monkeypatch.setattr(template_limits, "MAX_STEPS", 300_000)
    for refuse in (chat_template.render, chat_template.check_limits):
        with pytest.raises(BadRequestError, match="it takes more than 300,000 steps"):
            refuse(ENDLESS[name], [], {})


def test_a_long_conversation_is_far_from_the_limit():
    turns = [{"role": "user", "content": "word " * 2_000}] * 2_000
    template = (
        "{% for m in messages %}{% for part in [m] %}<{{ part.role }}>{{ part.content | trim }}{% endfor %}{{ loop.length }}{% endfor %}"
    )
    assert chat_template.render(template, turns, {}).count("<user>") == 2_000
    assert template_limits._made.steps < template_limits.MAX_STEPS / 500


def test_loops_work_as_they_do_in_jinja():
    text = (
        "{% for m in messages if m.n > 1 %}{{ loop.index }}/{{ loop.length }}{{ m.n }}{{ loop.last }} {% else %}none{% endfor %}"
        "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{% for x in [] %}x{% else %}empty{% endfor %}"
        "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{{ loop.previtem }}{% endfor %}"
        "{% for x in [[1], [2]] recursive %}{% if x is iterable %}{{ loop(x) }}{% else %}<{{ x }}>{% endif %}{% endfor %}"
    )
    assert chat_template.render(text, [{"n": 1}, {"n": 2}, {"n": 3}], {}) == "1/22False 2/23True a1empty132<1><2>"


def test_what_marks_an_answer_for_training_is_its_content():
    text = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    assert chat_template.render(text, [{"content": "hi"}], {}) == "hi"


def test_a_check_leaves_what_our_sandbox_does_not_know_to_the_other_library():
    for odd in (
        "{% unknown %}",
        "{{ raise_exception('no system') }}",
        "{{ undefined.thing.more }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ):
        chat_template.check_limits(odd, [], {})
    with pytest.raises(BadRequestError, match="exceeds a limit.*200,000,000"):
        chat_template.check_limits(HUGE["repeat"], [], {})
