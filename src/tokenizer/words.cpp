#include "tokenizer/words.h"

namespace halftone {

Json byte_level_words(const std::vector<std::string>& expressions) {
  Json steps = Json::array();
  for (const std::string& expression : expressions)
    steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}});
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

}  // namespace halftone
