#!/usr/bin/env python3
"""Renders conversations with Jinja2, set up as Hugging Face transformers sets it up, for chat_template_test.

Usage: tools/goldens/chat_templates.py > src/llm/chat_template/testdata/chat_templates.json

Needs jinja2. The templates are written for this test; each uses the features that a family's own template uses.
"""

import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )

    def tojson(value, indent=None):
        return json.dumps(value, ensure_ascii=False, indent=indent)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


USER = [{"role": "user", "content": "  Hi there! "}]
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": " Four.\n"},
    {"role": "user", "content": "And <b>3</b> \"+\" 3? é"},
]
PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": "nice"}]},
    {"role": "assistant", "content": "Yes", "tool_calls": [{"type": "function", "function": {"name": "see", "arguments": {"x": 1, "y": [1.5, None]}}}]},
    {"role": "tool", "content": "{\"ok\": true}", "name": "see"},
]
THINK = TALK + [
    {"role": "assistant", "content": "<think>\nhmm\n</think>\n\nSix."},
    {"role": "user", "content": "Thanks"},
]
WRONG = [{"role": "assistant", "content": "I begin"}]
TOOLS = [
    {"type": "function", "function": {"name": "see", "description": "Looks <around> & reports", "parameters": {"type": "object", "properties": {"x": {"type": "number"}}}}}
]

# name -> template
FAMILIES = {
    "alternating with a system prompt in the first question": """\
{% if messages[0]['role'] == 'system' %}
    {% set rest = messages[1:] %}{% set intro = messages[0]['content'] %}
{% else %}
    {% set rest = messages %}{% set intro = false %}
{% endif %}
{% for message in rest %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('roles must alternate user/assistant') }}
    {% endif %}
    {% if loop.index0 == 0 and intro != false %}
        {% set content = '<<S>>\\n' + intro + '\\n<</S>>\\n\\n' + message['content'] %}
    {% else %}
        {% set content = message['content'] %}
    {% endif %}
    {% if message['role'] == 'user' %}
{{ bos_token + '[I] ' + content.strip() + ' [/I]' }}
    {% elif message['role'] == 'assistant' %}
{{ ' ' + content.strip() + ' ' + eos_token }}
    {% endif %}
{% endfor %}""",
    "headers with trimmed content": """\
{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<h>' + message['role'] + '</h>\\n\\n' + message['content'] | trim + '<e>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<h>assistant</h>\\n\\n' }}{% endif %}
""",
    "headers with tools and a date": """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- the system message comes out first #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<h>system</h>\\n\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {{- "Functions:\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<e>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<h>' + message['role'] + '</h>\\n\\n'+ message['content'] | trim + '<e>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", "parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
    {%- elif message.role == "tool" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<h>assistant</h>\\n\\n' }}
{%- endif %}
""",
    "chatml with thoughts": """\
{%- if tools %}
    {{- '<s>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><e>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<s>system\\n' + messages[0].content + '<e>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<s>' + message.role + '\\n' + content + '<e>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<s>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<s>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<s>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<call>{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}</call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<e>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<s>user' }}
        {%- endif %}
        {{- '\\n<r>\\n' }}
        {{- content }}
        {{- '\\n</r>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<e>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<s>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "turns without a system role": """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '</turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
""",
    "roles by if and elif": """\
{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}""",
    "newlines around every tag": """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "a default system prompt": """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<s>system\\nYou are a helpful assistant<e>\\n' }}{% endif %}{{'<s>' + message['role'] + '\\n' + (message['content'] if message['content'] is string else message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('')) + '<e>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant\\n' }}{% endif %}""",
    "a macro and the last question": """\
{%- macro show(message, mark='#') -%}
{{ mark }}{{ message.role | upper }}{{ mark }}: {{ message.content if message.content is string else message.content | length }}
{% endmacro -%}
{%- set questions = messages | selectattr('role', 'equalto', 'user') | list -%}
{%- for message in messages %}
{{ show(message) if message != questions[-1] else show(message, mark='!') }}
{%- if loop.index == 3 %}{% break %}{% endif %}
{%- endfor %}
{%- set tail %}
[{{ questions | length }} questions, last: {{ (questions | last).content | default('', true) | string | length }}]
{%- endset %}
{{- tail }}
{%- if (messages | map(attribute='role') | unique | list) | length > 2 and not add_generation_prompt %} many roles{% endif -%}
""",
}

# Small pieces of the language, with the variables they see.
PIECES = [
    ("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 1 / 2 }} {{ 2 ** 10 }} {{ 1e20 }} {{ 1.0 }} {{ 1.5e-7 }}", {}),
    ("{{ [1, 'a\\'b', none, true, {'k': 1.5}, (1,), (1, 2)] }}", {}),
    ("{{ 'abc'[-1] }}{{ 'abc'[::-1] }}{{ 'abc'[5] }}{{ [1, 2, 3][1:] }}{{ 'héllo'[1:3] }}{{ [1, 2, 3, 4, 5][-2::-2] }}{{ 'abc'[-9:2] }}", {}),
    ("{{ u == none }} {{ u is none }} {{ none == false }} {{ 1 == true }} {{ '1' == 1 }} {{ 1 == 1.0 }} {{ 1 < 2 <= 2 }}", {}),
    ("{{ u is string }}{{ 'a' is string }}{{ {} is mapping }}{{ [] is iterable }}{{ 'a' is sequence }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 1 is integer }}{{ 1.0 is float }}{{ true is boolean }}{{ x is not defined }}", {}),
    ("{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}", {"d": {"b": 1, "a": [2]}}),
    ("{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}{{ d.get('zz') }}{{ d.get('zz', 5) }}{{ d.keys() | list }}{{ d.values() | list }}", {"d": {"b": 1, "A": 2}}),
    ("{% for i in 'ab' %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }}{% endfor %}", {}),
    ("{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% set b = i %}{% endfor %}{{ ns.a }}{{ b }}", {}),
    ("{% set x = 0 %}{% for i in [1, 2, 3] %}{{ x }}{% set x = i %}{% endfor %}{{ x }}", {}),
    ("{% for i in [1, 2, 3] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}|{{ x }}", {}),
    ("{% for i in [1, 2, 3, 4] if i % 2 == 0 %}{{ i }}{{ loop.index }}{% else %}none{% endfor %}{% for i in [] %}a{% else %}b{% endfor %}", {}),
    ("{{ 'abc'.upper().lower().title().capitalize() }} {{ ' a '.strip() }} {{ 'a,b'.split(',') }} {{ 'aXb'.replace('X', '') }} {{ 'abc'.find('c') }} {{ 'xax'.strip('x') }}", {}),
    ("{{ ' a  b c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'abab'.count('ab') }} {{ 'x'.join(['1', '2']) }}", {}),
    ("{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('bc') }}{{ 'abc'.removeprefix('a') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ '12'.isdigit() }}{{ 'ÀÉ'.lower() }}", {}),
    ("a\n  {% if true %}\nb\n  {% endif %}\nc  {% if true %} d {% endif %}\n", {}),
    ("a \n {%- if true -%} \n b {%- endif %}\n\n c {{- ' x ' -}}  y {#- c -#} z {# d #}\nq", {}),
    ("  {%+ if true %}\n  a{%+ endif +%}\nb\n", {}),
    ("{% raw %}\n {{ a }} {% if %}\n{% endraw %}\nb{{ '{{' }}\r\nc", {}),
    ("{{ 5 if false }}|{{ 'a' if u else 'b' }}|{{ u | default('y') }}|{{ '' | default('z', true) }}|{{ none | default('n') }}", {}),
    ("{{ 'a\\n\\tb\\x41\\u00e9\\q' 'next' }}{{ \"it's\" }}", {}),
    ("{{ 1.5 | int }} {{ '3' | int + 1 }} {{ 'x' | int }} {{ 3 | string + 'a' }} {{ [3, 1, 2] | sort }} {{ ['b', 'A'] | sort }} {{ [1, 1, 2] | unique | list }} {{ [1, 2, 3] | sum }} {{ [1, 2] | max }} {{ 'hello world' | title }} {{ [1, 2] | reverse | list }}{{ 'ab' | reverse }}", {}),
    ("{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c %}x{{ a }}y{% endset %}{{ c }}{{ (1, 2) }}{{ [1] + [2] }}{{ 'a' * 3 }}{{ 'ab' ~ 1 ~ none ~ true }}", {}),
    ("{{ x | tojson }}{{ x | tojson(indent=2) }}", {"x": {"a": [1, 2.0, None, True, "é\"\n<\t"], "b": {}, "c": []}}),
    ("{{ not 1 == 2 and 2 in [1, 2] or false }}{{ 'k' in {'k': 1} }}{{ 'b' in 'abc' }}{{ 3 not in [1] }}{{ -3 | abs }}{{ - 2 + 5 }}", {}),
    ("{{ range(3) | list }}{{ range(5, 1, -2) | list }}{{ dict(a=1) }}{{ 'x' | indent(2, true) }}{{ ' a' | trim }}{{ 'line\nnext' | indent }}", {}),
    ("{{ xs | map('upper') | join('-') }}{{ xs | select('equalto', 'a') | list }}{{ xs | reject('in', ['a']) | list }}{{ xs | first }}{{ xs | last }}", {"xs": ["a", "b"]}),
    ("{{ m.a.b }}{{ m.zz }}{{ m['a']['b'] }}{{ m.a.b.zz is defined }}", {"m": {"a": {"b": "deep"}}}),
    ("{% macro f(a, b=2) %}{{ a }}{{ b }}{{ g }}{% endmacro %}{% set g = 5 %}{{ f(1) }}{{ f(1, b=3) }}{{ f(b=9, a=8) }}", {}),
    # errors
    ("{{ u.x }}", {}),
    ("{{ u + 'a' }}", {}),
    ("{{ 'a' + 1 }}", {}),
    ("{{ 1 < 'a' }}", {}),
    ("{{ nothing() }}", {}),
    ("{{ x.append(1) }}", {"x": []}),
    ("{% for x in none %}{% endfor %}", {}),
    ("{{ 1 // 0 }}", {}),
    ("{% set a, b = [1] %}", {}),
    ("{{ raise_exception('no') }}", {}),
    ("{{ 'a' | nofilter }}", {}),
    ("{% if true %}", {}),
    ("{{ 1 + }}", {}),
    ("{% bogus %}", {}),
    ("{{ 'a }}", {}),
    ("{{ (1 }}", {}),
    ("{# open", {}),
]


CONVERSATIONS = {"one question": USER, "talk": TALK, "parts": PARTS, "thoughts": THINK, "wrong": WRONG}


def render(env, template, variables):
    try:
        return {"expected": env.from_string(template).render(**variables)}
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, ZeroDivisionError):
        return {"error": True}


def main():
    env = environment()
    entries = []
    for name, template in FAMILIES.items():
        renders = []
        for label, messages in CONVERSATIONS.items():
            for opening in (True, False):
                tools = label == "talk" and opening
                variables = {"messages": messages, "add_generation_prompt": opening, "bos_token": "<bos>", "eos_token": "<eos>"}
                if tools:
                    variables["tools"] = TOOLS
                renders.append({"conversation": label, "open": opening, "tools": tools, **render(env, template, variables)})
        entries.append({"name": name, "template": template, "renders": renders})
    pieces = [{"template": t, "variables": v, **render(env, t, v)} for t, v in PIECES]
    golden = {"conversations": CONVERSATIONS, "tools": TOOLS, "families": entries, "pieces": pieces}
    json.dump(golden, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
