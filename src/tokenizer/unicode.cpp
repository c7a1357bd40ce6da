#include "tokenizer/unicode.h"

#include <algorithm>
#include <new>
#include <utf8proc.h>
#include <vector>

namespace halftone {

namespace {

/// How many bytes at `at` make a character (ok) or the longest beginning of one.
struct Sequence {
  size_t length;
  bool ok;
};

Sequence sequence_at(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(at);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  size_t need = char_length(lead);
  // The second byte excludes overlong forms, surrogates and code points above U+10FFFF.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < need; ++i) {
    if (at + i == text.size() || byte(at + i) < low || byte(at + i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {need, true};
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

int combining_class(int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

void decompose(std::string_view text, int options, std::vector<int32_t>& chars) {
  int32_t parts[32];
  for (size_t at = 0; at < text.size();) {
    int boundary = 0;
    auto count = utf8proc_decompose_char(static_cast<int32_t>(next_char(text, at)), parts, 32,
                                         static_cast<utf8proc_option_t>(options), &boundary);
    chars.insert(chars.end(), parts, parts + std::clamp<utf8proc_ssize_t>(count, 0, 32));
  }
}

/// Canonical order: each run of combining characters sorted by class. (utf8proc's own is quadratic in a run.)
void order(std::vector<int32_t>& chars) {
  auto combines = [](int32_t c) { return combining_class(c) != 0; };
  for (auto begin = chars.begin(); begin != chars.end();) {
    begin = std::find_if(begin, chars.end(), combines);
    auto end = std::find_if_not(begin, chars.end(), combines);
    std::stable_sort(begin, end,
                     [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

void normalize_part(std::string_view text, NormalForm form, std::vector<int32_t>& chars, std::string& out) {
  bool compat = form == NormalForm::nfkc || form == NormalForm::nfkd;
  bool compose = form == NormalForm::nfc || form == NormalForm::nfkc;
  chars.clear();
  decompose(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0), chars);
  order(chars);
  auto length = static_cast<utf8proc_ssize_t>(chars.size());
  if (compose)
    length = utf8proc_normalize_utf32(chars.data(), length,
                                      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  for (utf8proc_ssize_t i = 0; i < length; ++i)
    append_utf8(out, static_cast<char32_t>(chars[static_cast<size_t>(i)]));
}

}  // namespace

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    Sequence sequence = sequence_at(text, at);
    out += sequence.ok ? text.substr(at, sequence.length) : std::string_view("\xEF\xBF\xBD");
    at += sequence.length;
  }
  return out;
}

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Sequence sequence = sequence_at(text, at);
    if (!sequence.ok) return false;
    at += sequence.length;
  }
  return true;
}

size_t unfinished_utf8(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    unsigned char byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    Sequence sequence = sequence_at(text, text.size() - back);
    return !sequence.ok && byte >= 0xC2 && byte <= 0xF4 && sequence.length == back ? back : 0;
  }
  return 0;
}

size_t char_length(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

char32_t next_char(std::string_view text, size_t& at) {
  auto lead = static_cast<unsigned char>(text[at]);
  size_t length = std::min(char_length(lead), text.size() - at);
  char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  at += length;
  return c;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  utf8proc_uint8_t bytes[4];
  auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

size_t count_chars(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return c > ' ' && c < 0x7F && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
  auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(char32_t c) {
  auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_MN;
}

bool is_word_char(char32_t c) {
  auto kind = category(c);
  bool letter_or_mark = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_ME;
  bool circled_letter = (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
                        (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
  return letter_or_mark || circled_letter || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D;
}

bool is_other(char32_t c) {
  auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
}

std::string_view trim_left(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    if (!is_white_space(next_char(text, next))) break;
    at = next;
  }
  return text.substr(at);
}

std::string_view trim_right(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && (text[start] & 0xC0) == 0x80) --start;
    size_t next = start;
    if (!is_white_space(next_char(text, next))) break;
    end = start;
  }
  return text.substr(0, end);
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    char32_t c = next_char(text, at);
    if (c < 0x80) {
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (c == 0x130) {  // the only character whose lower case is two
      out += "i\xCC\x87";
    } else {
      append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return out;
}

std::string normalize(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size() + 16);
  std::vector<int32_t> chars;
  auto ascii = [&](size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  // ASCII is normal, and a break between two ASCII characters concerns nobody; the parts between need the
  // work.
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && ascii(end) && (end + 1 == text.size() || ascii(end + 1))) ++end;
    out += text.substr(at, end - at);
    at = end;
    while (end < text.size() && !(ascii(end) && end > at)) ++end;
    if (end > at) normalize_part(text.substr(at, end - at), form, chars, out);
    at = end;
  }
  return out;
}

size_t grapheme_end(std::string_view text, size_t at) {
  utf8proc_int32_t state = 0;
  auto before = static_cast<utf8proc_int32_t>(next_char(text, at));
  while (at < text.size()) {
    size_t next = at;
    auto c = static_cast<utf8proc_int32_t>(next_char(text, next));
    if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
    before = c;
    at = next;
  }
  return at;
}

}  // namespace halftone
