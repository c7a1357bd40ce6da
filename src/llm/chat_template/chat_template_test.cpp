#include "llm/chat_template/chat_template.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "shared_files.h"

namespace halftone {
namespace {

const OrderedJson& golden() {
  static const OrderedJson json =
      OrderedJson::parse(read_text(source_path("src/llm/chat_template/testdata/chat_templates.json")));
  return json;
}

/// What the template prints, or "ERROR: ..." .
std::string outcome(const std::string& text, const OrderedJson& variables) {
  try {
    return ChatTemplate(text, "test").render(variables);
  } catch (const InputError& error) {
    return std::string("ERROR: ") + error.what();
  }
}

void expect_golden(const OrderedJson& entry, const std::string& found) {
  if (entry.contains("error"))
    EXPECT_TRUE(found.starts_with("ERROR: ")) << found;
  else
    EXPECT_EQ(found, entry["expected"].get<std::string>());
}

TEST(ChatTemplate, RendersConversationsAsJinja2Does) {
  const OrderedJson& all = golden();
  for (const auto& family : all["families"])
    for (const auto& render : family["renders"]) {
      SCOPED_TRACE(family["name"].get<std::string>() + ", " + render["conversation"].get<std::string>());
      OrderedJson variables = {{"messages", all["conversations"][render["conversation"].get<std::string>()]},
                               {"add_generation_prompt", render["open"]},
                               {"bos_token", "<bos>"},
                               {"eos_token", "<eos>"}};
      if (render["tools"].get<bool>()) variables["tools"] = all["tools"];
      expect_golden(render, outcome(family["template"], variables));
    }
}

TEST(ChatTemplate, RendersPiecesOfTheLanguageAsJinja2Does) {
  for (const auto& piece : golden()["pieces"]) {
    SCOPED_TRACE(piece["template"].get<std::string>());
    expect_golden(piece, outcome(piece["template"], piece["variables"]));
  }
}

TEST(ChatTemplate, ErrorsNameTheSourceAndTheLine) {
  const std::string found =
      outcome("a\n{% for m in messages %}\n{{ m.x.y }}{% endfor %}", {{"messages", {{{"role", "user"}}}}});
  EXPECT_EQ(found, "ERROR: test: chat template, line 3: 'x' is undefined");
  EXPECT_EQ(
      outcome("{{ raise_exception('Only users may begin') }}", OrderedJson::object()),
      "ERROR: test: chat template, line 1: the template refuses this conversation: Only users may begin");
}

TEST(ChatTemplate, ConversationsWithoutToolsSayThatThereAreNone) {
  const ChatTemplate asks(
      "{% if tools is not none %}tools{% endif %}{% if documents is none %}none{% endif %}", "test");
  EXPECT_EQ(asks.render(std::vector<ChatMessage>{{"user", "Hi"}}, true, "<s>", "</s>"), "none");
}

TEST(ChatTemplate, NamedFormatsRenderAConversation) {
  const std::vector<ChatMessage> messages = {
      {"system", "Be brief."}, {"user", " Hi "}, {"assistant", "Yes?"}, {"user", "Go"}};
  auto rendered = [&](std::string_view name) {
    return ChatTemplate(find_chat_template(name)->text, "test").render(messages, true, "<s>", "</s>");
  };
  EXPECT_EQ(rendered("chatml"),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
            "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(rendered("llama-2"),
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Yes? </s><s>[INST] Go [/INST]");
  EXPECT_EQ(
      rendered("llama-3"),
      "<s><|start_header_id|>system<|end_header_id|>\n\nBe "
      "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>"
      "\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes?<|eot_id|><|start_header_id|>user"
      "<|end_header_id|>\n\nGo<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(rendered("gemma"),
            "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nYes?<end_of_turn>\n"
            "<start_of_turn>user\nGo<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(rendered("plain"), "<s>Be brief.\n\nUser: Hi\nAssistant: Yes?\nUser: Go\nAssistant:");
  for (const NamedChatTemplate& one : named_chat_templates()) {
    const std::string text = rendered(one.name);
    EXPECT_NE(text.find("Be brief."), std::string::npos) << one.name;
    EXPECT_LT(text.find("Yes?"), text.find("Go")) << one.name;
  }
}

/// Templates that would not end, or would fill the memory, end in an error soon.
TEST(ChatTemplate, HostileTemplatesAreBounded) {
  const std::string deep_brackets = "{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}";
  std::string long_sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) long_sum += " + 1";
  std::string deep_blocks, minus = "{{ " + std::string(5000, '-') + "1 }}";
  for (int i = 0; i < 5000; ++i) deep_blocks += "{% if true %}";
  const std::string hostile[] = {
      deep_brackets,
      long_sum + " }}",
      deep_blocks,
      minus,
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{{ f(n + 1) ~ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ range(9999999999) }}",
      "{{ 'a' * 9999999999 }}",
      "{{ [1] * 4611686018427387905 }}",
      "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
      "ns.x }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
      "}}",
      "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
      "{% set a = 'a' * 1000000 %}{{ a.replace('a', a) }}",
      "{% set a = 'a' * 1000000 %}{{ ([a] * 100000) | join(a) }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ (-9223372036854775807 - 1) // -1 }}",
      "{{ 2 ** 64 }}",
      "{{ 99999999999999999999 }}",
      "{{ 'x' | indent(1000000000) }}",
      "{{ [] | tojson(indent=1000000000) }}",
      "{% break %}",
      "{{ '\\ud800' }}",
      "{{ '\\x' }}",
      "{{",
      "{%",
      "{{ a",
      "{% raw %}",
      "{% for %}",
      "{% set %}",
      "{{ 'a'.split('') }}",
      "{{ 'abc'[::0] }}",
      "{{ 'abc'['a':] }}",
      "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
      "{{ [3, 'a'] | sort }}",
      "{% include 'file' %}",
      "{{ 'a' | map('nothing') | list }}",
      "{{ 'ab'.removeprefix(('a', 'b')) }}",
      "{{ 'ab'.removesuffix(suffix='b') }}",
      "{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}",
      std::string(2000000, 'a'),
  };
  for (const std::string& text : hostile) {
    const std::string found = outcome(text, OrderedJson::object());
    EXPECT_TRUE(found.starts_with("ERROR: ")) << text.substr(0, 100) << "\ngave: " << found.substr(0, 100);
  }
}

TEST(ChatTemplate, PartsOfJinjaThatChatTemplatesSeldomUse) {
  const auto rendered = [](const std::string& text) { return outcome(text, OrderedJson::object()); };
  // A loop's "else" runs where no round came to its end.
  EXPECT_EQ(rendered("{% for i in [1, 2] %}{% continue %}{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(rendered("{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}none{% endfor %}"),
            "");
  EXPECT_EQ(
      rendered(
          "{% for i in [1, 1, 2] %}{{ loop.changed(i) }} {{ loop.depth }}{{ loop.depth0 }};{% endfor %}"),
      "True 10;False 10;True 10;");
  EXPECT_EQ(rendered("{{ \"it's (a) re-run\" | title }} {{ \"it's\".title() }}"), "It's (A) Re-Run It'S");
  EXPECT_EQ(rendered("{{ '3.7' | int }} {{ ' +5 ' | int }} {{ '+-5' | int }} {{ '+1.5' | float }}"),
            "3 5 0 1.5");
  EXPECT_EQ(rendered("{{ ['b', 'A', 'a'] | unique | list }} {{ ['b', 'A'] | max }} {{ ['b', 'A'] | min }}"),
            "['b', 'A'] b A");
  EXPECT_EQ(rendered("{{ 1 is sameas true }} {{ true is sameas true }} {{ none is sameas none }}"),
            "False True True");
  EXPECT_EQ(rendered("{{ ['a\u00a0b\u200b', 'é\x7f'] }}"), "['a\\xa0b\\u200b', 'é\\x7f']");
  EXPECT_EQ(rendered("{{ 'aaa' | replace('a', 'b', none) }}"), "bbb");
}

TEST(ChatTemplate, OddButValidTemplatesRender) {
  EXPECT_EQ(outcome("", OrderedJson::object()), "");
  EXPECT_EQ(outcome("{", OrderedJson::object()), "{");
  EXPECT_EQ(outcome("{{ (-9223372036854775807 - 1) % -1 }}", OrderedJson::object()), "0");
  EXPECT_EQ(outcome("{{ 'abc'[9223372036854775807:] }}{{ 'abc'[::9223372036854775807] }}{{ "
                    "'abc'[-9223372036854775807:] }}",
                    OrderedJson::object()),
            "aabc");
  EXPECT_EQ(outcome("{{ strftime_now('%Y') | length }}", OrderedJson::object()), "4");
  EXPECT_EQ(outcome("{% generation %}a{% endgeneration %}", OrderedJson::object()), "a");
}

}  // namespace
}  // namespace halftone
