#include "tokenizer/sentencepiece_model.h"
namespace halftone {
Pipeline parse_sentencepiece(std::string_view bytes, const TokenizerConfig& config,
                             const std::string& source) {
  throw UnsupportedError("{}: tokenizer.model", source);
}
}  // namespace halftone
