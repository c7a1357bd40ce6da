#include <algorithm>

#include "llm/chat_template/chat_template.h"

namespace halftone {
namespace {

constexpr std::string_view kChatMl = R"jinja({%- for m in messages -%}
{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%})jinja";

constexpr std::string_view kLlama2 = R"jinja({%- set ns = namespace(system='') -%}
{%- for m in messages -%}
  {%- if m.role == 'system' -%}
    {%- set ns.system = '<<SYS>>\n' ~ m.content ~ '\n<</SYS>>\n\n' -%}
  {%- elif m.role == 'user' -%}
    {{- bos_token ~ '[INST] ' ~ ns.system ~ m.content | trim ~ ' [/INST]' -}}
    {%- set ns.system = '' -%}
  {%- else -%}
    {{- ' ' ~ m.content | trim ~ ' ' ~ eos_token -}}
  {%- endif -%}
{%- endfor -%})jinja";

constexpr std::string_view kLlama3 = R"jinja({{- bos_token -}}
{%- for m in messages -%}
{{- '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ m.content | trim ~ '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif -%})jinja";

constexpr std::string_view kMistral = R"jinja({{- bos_token -}}
{%- set ns = namespace(system='') -%}
{%- for m in messages -%}
  {%- if m.role == 'system' -%}
    {%- set ns.system = m.content ~ '\n\n' -%}
  {%- elif m.role == 'user' -%}
    {{- ' [INST] ' ~ ns.system ~ m.content ~ ' [/INST]' -}}
    {%- set ns.system = '' -%}
  {%- else -%}
    {{- ' ' ~ m.content ~ eos_token -}}
  {%- endif -%}
{%- endfor -%})jinja";

constexpr std::string_view kGemma = R"jinja({{- bos_token -}}
{%- set ns = namespace(system='') -%}
{%- for m in messages -%}
  {%- if m.role == 'system' -%}
    {%- set ns.system = m.content | trim ~ '\n\n' -%}
  {%- else -%}
    {%- set role = 'model' if m.role == 'assistant' else m.role -%}
    {{- '<start_of_turn>' ~ role ~ '\n' ~ ns.system ~ m.content | trim ~ '<end_of_turn>\n' -}}
    {%- set ns.system = '' -%}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif -%})jinja";

constexpr std::string_view kPhi3 = R"jinja({%- for m in messages -%}
{{- '<|' ~ m.role ~ '|>\n' ~ m.content ~ '<|end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif -%})jinja";

constexpr std::string_view kZephyr = R"jinja({%- for m in messages -%}
{{- '<|' ~ m.role ~ '|>\n' ~ m.content ~ eos_token ~ '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif -%})jinja";

constexpr std::string_view kVicuna = R"jinja({{- bos_token -}}
{%- for m in messages -%}
  {%- if m.role == 'system' -%}
    {{- m.content ~ ' ' -}}
  {%- elif m.role == 'user' -%}
    {{- 'USER: ' ~ m.content | trim ~ ' ' -}}
  {%- else -%}
    {{- 'ASSISTANT: ' ~ m.content | trim ~ eos_token -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif -%})jinja";

constexpr std::string_view kPlain = R"jinja({{- bos_token -}}
{%- for m in messages -%}
  {%- if m.role == 'system' -%}
    {{- m.content ~ '\n\n' -}}
  {%- else -%}
    {{- m.role | capitalize ~ ': ' ~ m.content | trim ~ '\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif -%})jinja";

constexpr NamedChatTemplate kTemplates[] = {
    {"chatml", kChatMl, "<|im_start|>", "<|im_end|>"},
    {"llama-3", kLlama3, "<|start_header_id|>", "<|eot_id|>"},
    {"gemma", kGemma, "<start_of_turn>", "<end_of_turn>"},
    {"phi-3", kPhi3, "<|end|>", "<|end|>"},
    {"llama-2", kLlama2, "", ""},
    {"mistral", kMistral, "", ""},
    {"zephyr", kZephyr, "", ""},
    {"vicuna", kVicuna, "", ""},
    {"plain", kPlain, "", ""},
};

}  // namespace

std::span<const NamedChatTemplate> named_chat_templates() {
  return kTemplates;
}

const NamedChatTemplate* find_chat_template(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTemplates), std::end(kTemplates),
                                   [&](const NamedChatTemplate& one) { return one.name == name; });
  return found == std::end(kTemplates) ? nullptr : found;
}

}  // namespace halftone
