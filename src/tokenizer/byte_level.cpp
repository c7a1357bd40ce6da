#include "tokenizer/byte_level.h"

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr char32_t kChars = 256 + 68;

bool stands_for_itself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// The byte of each character below kChars, or -1.
const std::array<int, kChars>& bytes_of_chars() {
  static const auto table = [] {
    std::array<int, kChars> bytes;
    bytes.fill(-1);
    const auto& chars = byte_level_chars();
    for (int byte = 0; byte < 256; ++byte) {
      size_t at = 0;
      bytes[next_char(chars[static_cast<size_t>(byte)], at)] = byte;
    }
    return bytes;
  }();
  return table;
}

}  // namespace

const std::array<std::string, 256>& byte_level_chars() {
  static const auto table = [] {
    std::array<std::string, 256> chars;
    char32_t next = 256;
    for (unsigned byte = 0; byte < 256; ++byte)
      append_utf8(chars[byte], stands_for_itself(byte) ? byte : next++);
    return chars;
  }();
  return table;
}

std::string to_byte_level(std::string_view bytes) {
  const auto& chars = byte_level_chars();
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (char c : bytes) out += chars[static_cast<unsigned char>(c)];
  return out;
}

std::optional<std::string> from_byte_level(std::string_view piece) {
  const auto& bytes = bytes_of_chars();
  std::string out;
  out.reserve(piece.size());
  for (size_t at = 0; at < piece.size();) {
    char32_t c = next_char(piece, at);
    if (c >= kChars || bytes[c] < 0) return std::nullopt;
    out += static_cast<char>(bytes[c]);
  }
  return out;
}

}  // namespace halftone
