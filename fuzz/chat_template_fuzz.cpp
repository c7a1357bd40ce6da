#include <cstddef>
#include <cstdint>

#include "llm/chat_template/chat_template.h"

/// The input is a template; it renders a short conversation, or is refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  static const OrderedJson variables = {
      {"messages",
       {{{"role", "system"}, {"content", "Be brief."}},
        {{"role", "user"}, {"content", "Hi \u00e9"}},
        {{"role", "assistant"},
         {"content", nullptr},
         {"tool_calls", {{{"name", "f"}, {"arguments", {{"x", 1.5}}}}}}},
        {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "look"}}}}}}},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"}};
  try {
    (void)ChatTemplate({reinterpret_cast<const char*>(data), size}, "fuzz").render(variables);
  } catch (const InputError&) {
  }
  return 0;
}
