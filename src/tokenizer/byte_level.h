#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace halftone {

/// GPT-2's way to write bytes as printable characters: '!'..'~', U+00A1..U+00AC and U+00AE..U+00FF stand for
/// themselves, the other 68 bytes, in order, for U+0100, U+0101, ... (openai/gpt-2 encoder.py,
/// bytes_to_unicode).
const std::array<std::string, 256>& byte_level_chars();

/// Each byte of `bytes` as its character.
std::string to_byte_level(std::string_view bytes);

/// The bytes that the characters of `piece` stand for, or nothing when one of them stands for none.
std::optional<std::string> from_byte_level(std::string_view piece);

}  // namespace halftone
