#include "tokenizer/charsmap.h"

#include <cstring>

#include "base/error.h"
#include "tokenizer/base64.h"
#include "tokenizer/unicode.h"

namespace halftone {

namespace {

// The fields of a darts-clone unit.
bool has_leaf(uint32_t unit) {
  return unit >> 8 & 1;
}
bool is_leaf(uint32_t unit) {
  return unit >> 31;
}
uint32_t leaf_value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t label(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t offset(uint32_t unit) {
  return unit >> 10 << ((unit & 0x200) >> 6);
}

uint32_t little_endian(const char* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& source) {
  if (bytes.size() < 4)
    throw InputError("{}: a charsmap of {} bytes, expected at least 4", source, bytes.size());
  size_t trie_size = little_endian(bytes.data());
  if (trie_size % 1024 != 0 || trie_size == 0 || trie_size > bytes.size() - 4)
    throw InputError(
        "{}: a charsmap's trie of {} bytes; expected a multiple of 1024, at most the {} bytes that follow",
        source, trie_size, bytes.size() - 4);
  units_.resize(trie_size / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = little_endian(bytes.data() + 4 + i * 4);
  replacements_ = bytes.substr(4 + trie_size);
  if (replacements_.empty() || replacements_.back() != '\0')
    throw InputError("{}: the charsmap's replacements do not end in a NUL", source);
  if (!is_utf8(replacements_)) throw InputError("{}: a charsmap's replacement is not UTF-8", source);
  // A walk goes from unit i to (i ^ offset) ^ byte. The size is a multiple of 256, so the low byte does not
  // matter.
  for (size_t i = 0; i < units_.size(); ++i) {
    if (i != 0 && is_leaf(units_[i])) continue;
    size_t child = i ^ offset(units_[i]);
    if (child >= units_.size())
      throw InputError("{}: unit {} of the charsmap's trie points outside it", source, i);
    if (has_leaf(units_[i]) && leaf_value(units_[child]) >= replacements_.size())
      throw InputError("{}: unit {} of the charsmap's trie names a replacement outside the table", source, i);
    // A replacement in the middle of a character would make text that is not UTF-8.
    if (has_leaf(units_[i]) && (replacements_[leaf_value(units_[child])] & 0xC0) == 0x80)
      throw InputError("{}: unit {} of the charsmap's trie names the middle of a character", source, i);
  }
}

Charsmap Charsmap::from_base64(std::string_view text, const std::string& source) {
  auto bytes = decode_base64(text);
  if (!bytes) throw InputError("{}: the charsmap is not base64", source);
  return Charsmap(*bytes, source);
}

std::optional<Charsmap::Hit> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Hit> hit;
  size_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) break;
    node ^= byte;
    uint32_t unit = units_[node];
    if (label(unit) != byte) break;
    node ^= offset(unit);
    bool whole = i + 1 == text.size() || (text[i + 1] & 0xC0) != 0x80;
    if (!has_leaf(unit) || !whole) continue;
    hit = Hit{i + 1, replacements_.data() + leaf_value(units_[node])};
    if (!longest) break;
  }
  return hit;
}

std::string Charsmap::apply_to_graphemes(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t end = grapheme_end(text, at);
    std::string_view cluster = text.substr(at, end - at);
    at = end;
    auto whole = cluster.size() < 6 ? find(cluster, false) : std::nullopt;
    if (whole) {
      out += whole->replacement;
      continue;
    }
    for (size_t i = 0; i < cluster.size();) {
      std::string_view one = cluster.substr(i, char_length(static_cast<unsigned char>(cluster[i])));
      auto hit = find(one, false);
      out += hit ? hit->replacement : one;
      i += one.size();
    }
  }
  return out;
}

}  // namespace halftone
