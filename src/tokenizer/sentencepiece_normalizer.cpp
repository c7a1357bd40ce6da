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
    std::string_view rest = text;
    const auto take = [&] {
      const Part part = next(rest);
      rest.remove_prefix(part.length);
      return part.text;
    };
    if (options_.collapse_spaces)
      while (!rest.empty() && next(rest).text == " ") take();
    if (rest.empty()) return {};
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    if (options_.dummy_prefix && !options_.prefix_is_suffix) out += space_;
    for (bool behind_space = options_.collapse_spaces; !rest.empty();) {
      std::string_view part = take();
      if (behind_space) part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
      for (char c : part) {
        if (c == ' ') {
          out += space_;
        } else {
          out += c;
        }
      }
      if (!part.empty()) behind_space = options_.collapse_spaces && part.ends_with(' ');
    }
    if (options_.collapse_spaces)
      while (out.ends_with(space_)) out.resize(out.size() - space_.size());
    if (options_.dummy_prefix && options_.prefix_is_suffix) out += space_;
    return out;
  }

 private:
  struct Part {
    std::string_view text;  ///< in place of
    size_t length;          ///< so many bytes
  };
  /// The first part of `text` that is rewritten as one: a user-defined piece, what the charsmap has, or one
  /// character.
  Part next(std::string_view text) const {
    size_t kept = 0;
    user_defined_.for_each_prefix(text, [&](size_t length, int32_t) { kept = length; });
    if (kept > 0) return {text.substr(0, kept), kept};
    if (options_.charsmap)
      if (const auto hit = options_.charsmap->find(text, true)) return {hit->replacement, hit->length};
    const size_t length = char_length(static_cast<unsigned char>(text[0]));
    return {text.substr(0, length), length};
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
