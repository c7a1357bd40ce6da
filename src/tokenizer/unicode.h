#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace halftone {

/// Bytes that are not UTF-8 replaced by U+FFFD, one for each maximal part of a character (Unicode 15,
/// section 3.9, table 3-8; Python's errors="replace").
std::string repair_utf8(std::string_view text);
bool is_utf8(std::string_view text);

/// The length of the end of `text` that may be the beginning of a character: 0 to 3 bytes.
size_t unfinished_utf8(std::string_view text);

/// The character of valid UTF-8 `text` that begins at `at`, which moves behind it.
char32_t next_char(std::string_view text, size_t& at);
size_t char_length(unsigned char lead);
void append_utf8(std::string& text, char32_t c);
size_t count_chars(std::string_view text);

bool is_white_space(char32_t c);  // property White_Space
bool is_numeric(char32_t c);      // Nd, Nl, No
bool is_punctuation(char32_t c);  // P* and the ASCII symbols
bool is_mark(char32_t c);         // M*
bool is_nonspacing_mark(char32_t c);
bool is_word_char(char32_t c);  // as the regular expression \w
bool is_other(char32_t c);      // Cc, Cf, Co

std::string_view trim_left(std::string_view text);
std::string_view trim_right(std::string_view text);

/// Lower case of each character by itself (no final sigma).
std::string to_lower(std::string_view text);

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// Linear in the length of `text`, whatever it holds. `text` must be UTF-8.
std::string normalize(std::string_view text, NormalForm form);

/// The byte offset where the extended grapheme cluster that begins at `at` ends (UAX 29).
size_t grapheme_end(std::string_view text, size_t at);

}  // namespace halftone
