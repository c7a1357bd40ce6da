#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr size_t kMaxTokenBytes = 1024;

bool ends_with_word(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && (text[--at] & 0xC0) == 0x80) {
  }
  return !text.empty() && is_word_char(next_char(text, at));
}

bool begins_with_word(std::string_view text) {
  size_t at = 0;
  return !text.empty() && is_word_char(next_char(text, at));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer,
                         const std::string& source)
    : tokens_(std::move(tokens)), raw_({}), normalized_({}) {
  std::vector<std::pair<std::string_view, int32_t>> raw, normalized;
  StringMap<size_t> normalized_seen;
  normalized_texts_.reserve(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.text.empty() || token.text.size() > kMaxTokenBytes)
      throw InputError("{}: the added token of id {} has {} bytes; expected 1 to {}", source, token.id,
                       token.text.size(), kMaxTokenBytes);
    if (token.id < 0 || token.id >= kMaxVocabulary)
      throw InputError("{}: the added token \"{}\" has id {}, not in [0, {})", source, token.text, token.id,
                       kMaxVocabulary);
    if (!by_text_.emplace(token.text, token.id).second)
      throw InputError("{}: the added token \"{}\" appears twice", source, token.text);
    if (!by_id_.emplace(token.id, i).second)
      throw InputError("{}: two added tokens have id {}", source, token.id);
    largest_id_ = std::max(largest_id_, token.id);
    auto index = static_cast<int32_t>(i);
    if (!token.normalized) {
      raw.emplace_back(token.text, index);
      continue;
    }
    normalized_texts_.push_back(normalizer ? normalizer->apply(token.text) : token.text);
    const std::string& text = normalized_texts_.back();
    if (!text.empty() && normalized_seen.emplace(text, i).second) normalized.emplace_back(text, index);
  }
  raw_ = Trie(std::move(raw));
  normalized_ = Trie(std::move(normalized));
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, const Trie& trie,
                                                  bool parse_special) const {
  std::vector<Part> parts;
  size_t done = 0;       // all before is in parts
  Part white{1, 0, {}};  // seen last behind a token
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    int32_t found = -1;
    trie.for_each_prefix(text.substr(at), [&](size_t l, int32_t index) { length = l, found = index; });
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    size_t begin = at, end = at + length;
    at = end;
    if (token.special && !parse_special) continue;
    if (token.single_word && (ends_with_word(text.substr(0, begin)) || begins_with_word(text.substr(end))))
      continue;
    // White space that a token took along may hold another token: the `tokenizers` package finds it too.
    if (token.left_strip)
      begin = begin > done ? done + trim_right(text.substr(done, begin - done)).size() : done;
    if (token.right_strip) {
      if (end < white.begin || end > white.end)
        white = {end, text.size() - trim_left(text.substr(end)).size(), std::nullopt};
      end = white.end;
    }
    if (begin >= end) continue;
    if (begin > done) parts.push_back({done, begin, std::nullopt});
    parts.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

const AddedToken* AddedTokens::by_id(TokenId id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

std::optional<TokenId> AddedTokens::find(std::string_view text) const {
  auto found = by_text_.find(text);
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

}  // namespace halftone
