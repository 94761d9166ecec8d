"""Functions, operators between odd values, calls with wrong arguments."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.expressions.render import ExpressionError
from flows.expressions.typed_json import decode

from .services import rendered

VARIABLES: dict[str, Any] = decode(
    {
        "n": None,
        "list": ["c", "a", "b"],
        "map": {"b": 2, "a": 1},
        "str": "Hello",
        "d": {"$zoned_datetime": "2013-09-08T16:19:12.123456+02:00"},
        "json": '{"a":[1,2.0,1e3,"x",null,true]}',
        "first": "{{ second }}",
        "second": "{{ third }}",
        "third": "3",
        "lst": ["{{ third }}"],
        "mp": {"{{ third }}": "{{ second }}"},
        "ion": '{a:1,b:[1,2],c:2024-01-01T00:00:00Z,d:"x",e:null,f:1.5,g:symbol}\n{a:2}',
        "num": 5,
        "outputs": {"t": {"v1": {"value": "x1"}, "v2": {"value": "x2"}, "value": "plain"}},
        "taskrun": {"value": "v1", "iteration": 1},
        "parents": [{"outputs": {"x": "near"}}, {"outputs": {"x": "far"}}],
        "tasks": {
            "a": {"state": "FAILED"},
            "b": {"state": "SUCCESS"},
            "c": {"v1": {"state": "FAILED"}, "v2": {"state": "SUCCESS"}},
        },
        "flow": {"id": "f", "namespace": "my.ns"},
    },
    ZoneInfo("UTC"),
)

PRINTED = [
    ("{{ fromJson(json) }}", '{"a":[1,2.0,1000.0,"x",null,true]}'),
    ("{{ json(json).a[1] }}", "2.0"),
    ("{{ fromJson('[1,2]')[1] }}", "2"),
    ("{{ fromJson('\"x\"') }}", "x"),
    ("{{ fromJson('5') }}", "5"),
    ("{{ fromIon(ion) }}", '{"a":1,"b":[1,2],"c":"2024-01-01T00:00:00Z","d":"x","e":null,"f":1.5,"g":"symbol"}'),
    (
        "{{ fromIon(ion, allRows=true) }}",
        '[{"a":1,"b":[1,2],"c":"2024-01-01T00:00:00Z","d":"x","e":null,"f":1.5,"g":"symbol"},{"a":2}]',
    ),
    ("{{ fromIon(ion).c }}", "2024-01-01T00:00:00Z"),
    ("{{ fromIon(ion).f }}", "1.5"),
    ("{{ yaml('x') }}", "x"),
    ("{{ yaml(n) }}", ""),
    ("{{ yaml('- 1\\n- 2') }}", '["1\\\\n- 2"]'),
    ("{{ yaml('a: 2024-01-01') }}", '{"a":"2024-01-01"}'),
    ("{{ yaml('a: yes') }}", '{"a":"yes"}'),
    ("{{ yaml('a: 0x1F') }}", '{"a":31}'),
    ("{{ yaml('a: 1_000') }}", '{"a":"1_000"}'),
    ("{{ yaml('a: .inf') }}", '{"a":"Infinity"}'),
    ("{{ render(first) }}", "3"),
    ("{{ render(first, recursive=false) }}", "{{ third }}"),
    ("{{ renderOnce(first) }}", "{{ third }}"),
    ("{{ render(lst) }}", '["3"]'),
    ("{{ render(mp) }}", '{"3":"3"}'),
    ("{{ first }}", "{{ second }}"),
    ("{{ currentEachOutput(outputs.t).value }}", "x1"),
    (
        "{{ tasksWithState('failed') }}",
        '[{"taskId":"a","state":"FAILED"},{"taskId":"c","value":"v1","state":"FAILED"}]',
    ),
    ("{{ iterationOutput(outputs.t) }}", '{"value":"x1"}'),
    ("{{ parentOutput().x }}", "near"),
    ("{{ parentOutput(1).x }}", "far"),
    ("{{ loopOutputs([{'outputs': {'id': 1}}, {'outputs': {'id': 2}}], 'id') }}", "[1,2]"),
    ("{{ tasksWithState('x') }}", "[]"),
    ("{{ printContext() | slice(0, 9) }} {{ fetchContext() | slice(0, 9) }}", '{\n  "n" : {\n  "n" :'),
    ("{{ randomPort() >= 49152 }} {{ uuid() | length }}", "true 36"),
    ("{{ decrypt('I6EGNzRESu3X3pKZidrqCGOHQFUFC0yK', encrypt('I6EGNzRESu3X3pKZidrqCGOHQFUFC0yK', 'toto')) }}", "toto"),
    ("{{ fileURI('/a/b.txt') }}", "kestra:///my/ns/_files/a/b.txt"),
    ("{{ fileURI('a') }}", "kestra:///my/ns/_files/a"),
    ("{{ id() | length }}", "22"),
    ("{{ nanoId() | length }}", "21"),
    ("{{ nanoId(5) | length }}", "5"),
    ("{{ nanoId(length=5, alphabet='a') }}", "aaaaa"),
    ("{{ ksuid() | length }}", "27"),
    ("{{ randomInt(1, 2) }}", "1"),
    ("{{ randomInt(lower=5, upper=6) }}", "5"),
    ("{{ max(1, 5, 3) }}", "5"),
    ("{{ min(1, 5, 3) }}", "1"),
    ("{{ max([1,2]) }}", "2"),
    ("{{ max('a','b') }}", "b"),
    ("{{ min() }}", ""),
    ("{{ range(1, 3) }}", "[1,2,3]"),
    ("{{ range(0, 10, 5) }}", "[0,5,10]"),
    ("{{ range('a', 'c') }}", '["a","b","c"]'),
    ("{{ range(3, 1, -1) }}", "[3,2,1]"),
    ("{{ dayOfWeek(d) }}", "SUNDAY"),
    ("{{ monthOfYear(d) }}", "9"),
    ("{{ dayOfMonth(d) }}", "8"),
    ("{{ hourOfDay(d) }}", "14"),
    ("{{ isWeekend(d) }}", "true"),
    ("{{ isDayWeekInMonth(d, 'SUNDAY', 'SECOND') }}", "true"),
    ("{{ str }}", "Hello"),
    ("{{ [1,2,3][1] }}", "2"),
    ("{{ {'a': {'b': 1}}.a.b }}", "1"),
    ("{{ ['a','b'] | join('-') | upper }}", "A-B"),
    ("{{ (1 + 2) * 3 }}", "9"),
    ("{{ 1 + 2 * 3 }}", "7"),
    ("{{ 2 - 1 - 1 }}", "0"),
    ("{{ not (1 == 2) }}", "true"),
    ("{{ 1 == 1 and 2 == 2 or false }}", "true"),
    ("{{ 'a' ~ 'b' | upper }}", "AB"),
    ("{{ 1 + 2 ~ 'x' }}", "12x"),
    ("{{ true ? false ? 1 : 2 : 3 }}", "2"),
    ("{{ -num }}", "-5"),
    ("{{ - 5 }}", "-5"),
    ("{{ +5 }}", "5"),
    ("{{ num is not null }}", "true"),
    ("{{ num is not defined }}", "false"),
    ("{{ num is even }}", "false"),
    ("{{ num is odd ? 'o' : 'e' }}", "o"),
    ("{{ str equals 'Hello' }}", "true"),
    ("{{ 5 is equalTo(5) }}", "true"),
    ("{{ list.0 }}", "c"),
    ("{{ list[0] }}", "c"),
    ("{{ list['0'] }}", "c"),
    ("{{ 'abc' | slice(1,2) | upper ~ 'x' }}", "Bx"),
    ("{{ {1: 'x'} }}", '{"1":"x"}'),
    ("{{ {'a-b': 1}['a-b'] }}", "1"),
    ("{% for x in n %}{{ x }}{% else %}E{% endfor %}", "E"),
    (
        "{% if list %}x{% else %}y{% endif %}{% if 'x' %}a{% endif %}{% if 0 %}b{% else %}c{% endif %}{% if 'false' %}d{% else %}e{% endif %}",
        "xacd",
    ),
    ("{% set list2 = list %}{% for i in list2 %}{% set last = i %}{% endfor %}{{ last }}", "b"),
    ("{%- if true -%} x {%- endif -%} y", "xy"),
    ("{% block a %}A{% endblock %}{{ block('a') }}", "AA"),
    ("{% macro m(x) %}[{{ x }}]{% endmacro %}{% for i in list %}{{ m(i) }}{% endfor %}", "[c][a][b]"),
    ("{{ list == ['c','a','b'] }}", "true"),
    ("{{ map == {'a': 1, 'b': 2} }}", "true"),
    ("{{ 1.0 == 1 }}", "true"),
    ("{{ '1' == 1 }}", "false"),
    ("{{ null == null }}", "true"),
    ("{{ true == 'true' }}", "false"),
    ("{{ 10 / 4 }}", "2"),
    ("{{ 10 / 4.0 }}", "2.5"),
    ("{{ 2147483647 + 1 }}", "2147483648"),
    ("{{ list - 1 }}", '["c","a","b"]'),
    ("{{ list contains 'a' }}", "true"),
    ("{{ str contains 'ell' }}", "true"),
    ("{{ map contains 'a' }}", "true"),
    ("{{ n contains 'a' }}", "false"),
    ("{{ [1,2] contains 3 }}", "false"),
]

REFUSED = [
    ("{{ parentOutput(7) }}", "The 'parentOutput' function found no such parent with outputs"),
    (
        "{{ loopOutputs(5, 'id') }}",
        "The 'loopOutputs' function expects the outputs of a Loop as its argument 'outputs'.",
    ),
    ("{{ iterationOutput('x') }}", "The 'iterationOutput' function found no output for this iteration"),
    ("{{ block('nope') }}", "The block 'nope' does not exist"),
    (
        "{{ decrypt('I6EGNzRESu3X3pKZidrqCGOHQFUFC0yK', 'nonsense') }}",
        "The text cannot be decrypted with this key",
    ),
    ("{{ fromJson('') }}", "Unable to read the JSON text: Expecting value at line 1, column 1"),
    (
        "{{ fromJson('{') }}",
        "Unable to read the JSON text: Expecting property name enclosed in double quotes at line 1, column 2",
    ),
    ("{{ fromJson() }}", "The 'fromJson' function expects an argument 'json'."),
    ("{{ fromJson(5) }}", "The 'json' function expects a text."),
    ("{{ fromIon('{') }}", "Unable to read the Ion text: a field name is missing at line 1"),
    (
        "{{ yaml('a: 1\\nb: [x, y]').b[0] }}",
        "Unable to read the YAML text: mapping values are not allowed in this context at line 1, column 8",
    ),
    ("{{ yaml('a: [') }}", "Unable to read the YAML text: did not find expected node content at line 2, column 1"),
    ("{{ render('{{ nope }}') }}", "Unable to find `nope` used in the expression `{{ nope }}` at line 1, column 4"),
    ("{{ render() }}", "The 'render' function expects an argument 'toRender'."),
    ("{{ randomInt('1', 5) }}", "The 'randomInt' function expects integers for 'lower' and 'upper'."),
    ("{{ randomInt(1.5, 5) }}", "The 'randomInt' function expects integers for 'lower' and 'upper'."),
    ("{{ randomInt(5, 5) }}", "In randomInt, lower must be less than upper"),
    ("{{ range(1, 5, 0) }}", "Range function: the step must be an integer other than zero"),
    ("{{ encrypt('k', 'x') }}", "The encryption key must be base64 of 16, 24 or 32 bytes"),
    (
        "{{ decrypt('0123456789abcdef', encrypt('0123456789abcdef', 'hello')) }}",
        "The encryption key must be base64 of 16, 24 or 32 bytes",
    ),
    (
        "{{ encrypt(key='0123456789abcdef', plaintext='a') | length > 3 }}",
        "The encryption key must be base64 of 16, 24 or 32 bytes",
    ),
    ("{{ decrypt('0123456789abcdef', 'zzzz') }}", "The encryption key must be base64 of 16, 24 or 32 bytes"),
    (
        "{{ now('yyyy', foo='x') }}",
        "The 'now' function has no argument 'foo' at line 1, column 4 of the expression `{{ now('yyyy', foo='x') }}`",
    ),
    (
        "{{ str | upper('x') }}",
        "The 'upper' filter takes at most 0 arguments at line 1, column 10 of the expression `{{ str | upper('x') }}`",
    ),
    (
        "{{ str | date(1,2,3,4,5,6) }}",
        "The 'date' filter takes at most 4 arguments at line 1, column 10 of the expression `{{ str | date(1,2,3,4,5,6) }}`",
    ),
    ("{{ nope }}", "Unable to find `nope` used in the expression `{{ nope }}` at line 1, column 4"),
    ("{{ str | foo }}", "Filter [foo] does not exist. at line 1, column 10 of the expression `{{ str | foo }}`"),
    (
        "{{ str starts with 'H' }}",
        "Unexpected token \"starts\", expected the end of the expression at line 1, column 8 of the expression `{{ str starts with 'H' }}`",
    ),
    ("{{ str.upper }}", "Unable to find `upper` used in the expression `{{ str.upper }}` at line 1, column 8"),
    ("{{ list[-1] }}", "Unable to find `-1` used in the expression `{{ list[-1] }}` at line 1, column 8"),
    (
        '{{ "a" "b" }}',
        'Unexpected token ""b"", expected the end of the expression at line 1, column 8 of the expression `{{ "a" "b" }}`',
    ),
    ("{{ {a: 1} }}", "Unable to find `a` used in the expression `{{ {a: 1} }}` at line 1, column 5"),
    (
        "{% for x in nope %}{{ x }}{% endfor %}",
        "Unable to find `nope` used in the expression `{% for x in nope %}{{ x }}{% endfor %}` at line 1, column 13",
    ),
    ("{% for x in 5 %}{{ x }}{% endfor %}", "Not an iterable object. Value = [5]"),
    ("{% for x in str %}{{ x }},{% endfor %}", "Not an iterable object. Value = [Hello]"),
    (
        "{% if nope %}x{% endif %}",
        "Unable to find `nope` used in the expression `{% if nope %}x{% endif %}` at line 1, column 7",
    ),
    (
        "{% set a, b = 1 %}",
        'Unexpected token ",", expected "=" at line 1, column 9 of the expression `{% set a, b = 1 %}`',
    ),
    (
        "{% for i in 1..2 %}{% for j in 1..2 %}{{ loop.parent.index }}{{ loop.index }};{% endfor %}{% endfor %}",
        "Unable to find `parent` used in the expression `{% for i in 1..2 %}{% for j in 1..2 %}{{ loop.parent.index }}{{ loop.index }};{% endfor %}{% endfor %}` at line 1, column 47",
    ),
    ("{{ m(1) }}", "Function or Macro [m] does not exist."),
    ("{% unknown %}", 'Unexpected tag name "unknown" at line 1, column 1 of the expression `{% unknown %}`'),
    ("{{ num > '3' }}", "The values cannot be compared: both must be numbers, texts or dates"),
    ("{{ 9223372036854775807 + 1 }}", "The number is out of range"),
    ("{{ 3 * 'a' }}", 'Invalid operands for the operator "*": both sides must be numbers'),
    ("{{ 1 < 'a' }}", "The values cannot be compared: both must be numbers, texts or dates"),
    ("{{ 'a' * 3 }}", 'Invalid operands for the operator "*": both sides must be numbers'),
    ("{{ 5 contains 5 }}", "Contains operator can only be used on Collections, Maps and Strings"),
]


@pytest.mark.parametrize(("template", "expected"), PRINTED, ids=str)
def test_what_is_printed(template: str, expected: str) -> None:
    assert rendered(template, VARIABLES) == expected


@pytest.mark.parametrize(("template", "message"), REFUSED, ids=str)
def test_what_is_refused_and_where(template: str, message: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        rendered(template, VARIABLES)
    assert str(refused.value).splitlines()[0] == message
