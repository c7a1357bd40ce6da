#include "tokenizer/wordpiece.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace halftone {

WordPiece::WordPiece(std::shared_ptr<const Vocabulary> vocabulary, TokenId unknown,
                     std::string continuing_prefix, size_t max_chars)
    : vocabulary_(std::move(vocabulary)),
      unknown_(unknown),
      prefix_(std::move(continuing_prefix)),
      max_chars_(max_chars) {}

void WordPiece::encode(std::string_view word, std::vector<TokenId>& ids) const {
  size_t first_id = ids.size();
  auto unknown = [&] {
    ids.resize(first_id);
    ids.push_back(unknown_);
  };
  if (count_chars(word) > max_chars_) return unknown();
  std::string candidate;
  for (size_t begin = 0; begin < word.size();) {
    candidate = begin > 0 ? prefix_ : std::string();
    size_t room = std::max(vocabulary_->longest_piece(), candidate.size()) - candidate.size();
    std::string_view rest = word.substr(begin, room);
    if (begin + rest.size() < word.size())  // not through the middle of a character
      while (!rest.empty() && (word[begin + rest.size()] & 0xC0) == 0x80) rest.remove_suffix(1);
    candidate += rest;
    size_t taken = rest.size();
    std::optional<TokenId> id;
    while (taken > 0 && !(id = vocabulary_->find(candidate))) {
      do {
        --taken;
        candidate.pop_back();
      } while (taken > 0 && (rest[taken] & 0xC0) == 0x80);
    }
    if (!id) return unknown();
    ids.push_back(*id);
    begin += taken;
  }
}

}  // namespace halftone
