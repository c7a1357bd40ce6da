#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/error.h"

namespace halftone {

void Vocabulary::add(std::string_view piece, int64_t id, const std::string& source) {
  if (id < 0 || id >= kMaxVocabulary)
    throw InputError("{}: token \"{}\": id {} is not in [0, {})", source, piece, id, kMaxVocabulary);
  auto index = static_cast<size_t>(id);
  if (index < by_id_.size() && by_id_[index])
    throw InputError("{}: id {} is given to both \"{}\" and \"{}\"", source, id, *by_id_[index], piece);
  auto [entry, is_new] = ids_.emplace(piece, static_cast<TokenId>(id));
  if (!is_new)
    throw InputError("{}: token \"{}\" has both the ids {} and {}", source, piece, entry->second, id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  by_id_[index] = &entry->first;
  longest_piece_ = std::max(longest_piece_, piece.size());
}

std::optional<TokenId> Vocabulary::find(std::string_view piece) const {
  auto found = ids_.find(piece);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::string byte_piece(unsigned char byte) {
  return fmt::format("<0x{:02X}>", byte);
}

std::optional<unsigned char> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (char c : piece.substr(3, 2)) {
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
      value = value * 16 + static_cast<unsigned>((c | 32) - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<unsigned char>(value);
}

}  // namespace halftone
