#include "tokenizer/sentencepiece_normalizer.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr std::string_view kSpace = "▁";

Trie trie_of(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (const std::string& text : texts) entries.emplace_back(text, 0);
  return Trie(std::move(entries));
}

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalization options)
      : options_(std::move(options)),
        user_defined_(trie_of(options_.user_defined)),
        space_(options_.escape_spaces ? kSpace : std::string_view(" ")) {}

  std::string apply(std::string text) const override {
    if (options_.charsmap) text = replace(text);
    if (options_.collapse_spaces) {
      size_t begin = std::min(text.find_first_not_of(' '), text.size());
      text = text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
      text.erase(std::unique(text.begin(), text.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
                 text.end());
    }
    if (text.empty()) return text;
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    if (options_.dummy_prefix && !options_.prefix_is_suffix) out += space_;
    for (char c : text) {
      if (c == ' ') {
        out += space_;
      } else {
        out += c;
      }
    }
    if (options_.collapse_spaces)
      while (out.ends_with(space_)) out.resize(out.size() - space_.size());
    if (options_.dummy_prefix && options_.prefix_is_suffix) out += space_;
    return out;
  }

 private:
  std::string replace(std::string_view text) const {
    std::string out;
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
      size_t kept = 0;
      user_defined_.for_each_prefix(text.substr(at), [&](size_t length, int32_t) { kept = length; });
      if (kept == 0) {
        at += char_length(static_cast<unsigned char>(text[at]));
        continue;
      }
      out += options_.charsmap->apply_longest(text.substr(done, at - done));
      out += text.substr(at, kept);
      done = at += kept;
    }
    return out + options_.charsmap->apply_longest(text.substr(done));
  }

  SentencePieceNormalization options_;
  Trie user_defined_;
  std::string_view space_;
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(SentencePieceNormalization options) {
  return std::make_unique<SentencePieceNormalizer>(std::move(options));
}

}  // namespace halftone
