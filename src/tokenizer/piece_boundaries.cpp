#include "tokenizer/piece_boundaries.h"

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr int kSlotBits = 22;

}  // namespace

PieceBoundaries::PieceBoundaries(std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)), side_by_side_(size_t{1} << kSlotBits) {
  for (const auto& [piece, id] : vocabulary_->ids()) {
    if (piece.empty()) continue;
    size_t at = 0;
    for (char32_t before = next_char(piece, at); at < piece.size();) {
      char32_t c = next_char(piece, at);
      side_by_side_[slot(before, c)] = true;
      before = c;
    }
  }
}

size_t PieceBoundaries::slot(char32_t first, char32_t second) {
  return static_cast<size_t>((uint64_t{first} << 21 | second) * 0x9E3779B97F4A7C15u >> (64 - kSlotBits));
}

size_t PieceBoundaries::next(std::string_view text, size_t from) const {
  size_t begin = from, at = from;
  char32_t before = next_char(text, at);
  while (at < text.size()) {
    size_t end = at;
    char32_t c = next_char(text, end);
    const auto is_piece = [&](size_t first, size_t last) {
      return vocabulary_->find(text.substr(first, last - first)).has_value();
    };
    // A character that is no piece may fuse with the one before it into one unknown token, or vanish.
    if (!side_by_side_[slot(before, c)] && is_piece(begin, at) && is_piece(at, end)) return at;
    before = c;
    begin = at;
    at = end;
  }
  return text.size();
}

}  // namespace halftone
