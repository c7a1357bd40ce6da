#include "tokenizer/tiktoken.h"
namespace halftone {
Pipeline parse_tiktoken(std::string_view text, const fs::path& folder, const std::string& source) {
  throw UnsupportedError("{}: ranks", source);
}
}  // namespace halftone
