#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace halftone {

/// No vocabulary is larger; a file that says so lies.
inline constexpr int64_t kMaxVocabulary = int64_t{4} << 20;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

/// Pieces and their ids, one to one; ids may have holes.
class Vocabulary {
 public:
  /// Throws InputError when the id is out of [0, kMaxVocabulary) or taken, or the piece is there already.
  void add(std::string_view piece, int64_t id, const std::string& source);

  /// The largest id + 1.
  int size() const { return static_cast<int>(by_id_.size()); }
  bool has(TokenId id) const { return id >= 0 && id < size() && by_id_[static_cast<size_t>(id)] != nullptr; }
  std::string_view piece(TokenId id) const {
    return has(id) ? *by_id_[static_cast<size_t>(id)] : std::string_view();
  }
  std::optional<TokenId> find(std::string_view piece) const;
  const StringMap<TokenId>& ids() const { return ids_; }
  size_t longest_piece() const { return longest_piece_; }

 private:
  StringMap<TokenId> ids_;
  std::vector<const std::string*> by_id_;
  size_t longest_piece_ = 0;
};

/// "<0x0A>", as byte pieces are spelled.
std::string byte_piece(unsigned char byte);

/// The byte that such a piece stands for.
std::optional<unsigned char> byte_of_piece(std::string_view piece);

}  // namespace halftone
