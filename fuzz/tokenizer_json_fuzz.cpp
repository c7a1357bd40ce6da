#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

/// Any bytes are a tokenizer that encodes and decodes, or an error that says why not.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText =
      "Hello  World, it's 2024!\n\t naïve 北京 e\xCC\x81 🦙 <s> ab\xFF -- x";
  try {
    auto tokenizer = halftone::parse_tokenizer_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (bool special : {false, true}) tokenizer->decode(tokenizer->encode(kText, special, special), special);
  } catch (const halftone::Error&) {
  }
  return 0;
}
