#include <algorithm>
#include <utf8proc.h>

#include "llm/chat_template/builtins.h"
#include "llm/chat_template/operators.h"

namespace halftone::jinja {
namespace {

/// Each character through `change`, which maps a code point; bytes that are not UTF-8 stay.
template <class Change>
std::string mapped(std::string_view text, Change change) {
  std::string out;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t code = -1;
    const auto length = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &code);
    if (length <= 0) {
      out += text[i++];
      continue;
    }
    utf8proc_uint8_t encoded[4];
    const auto written = utf8proc_encode_char(change(code), encoded);
    out.append(reinterpret_cast<const char*>(encoded), static_cast<size_t>(written));
    i += static_cast<size_t>(length);
  }
  return out;
}

bool is_cased(utf8proc_int32_t code) {
  return utf8proc_toupper(code) != code || utf8proc_tolower(code) != code;
}

}  // namespace

std::string upper(std::string_view text) {
  return mapped(text, utf8proc_toupper);
}
std::string lower(std::string_view text) {
  return mapped(text, utf8proc_tolower);
}

std::string capitalized(std::string_view text) {
  bool first = true;
  return mapped(text, [&](utf8proc_int32_t code) {
    return std::exchange(first, false) ? utf8proc_totitle(code) : utf8proc_tolower(code);
  });
}

std::string titled(std::string_view text) {
  bool inside = false;
  return mapped(text, [&](utf8proc_int32_t code) {
    const bool continues = std::exchange(inside, is_cased(code));
    return continues ? utf8proc_tolower(code) : utf8proc_totitle(code);
  });
}

std::string with_capitals(std::string_view text) {
  bool inside = false;
  return mapped(text, [&](utf8proc_int32_t code) {
    const bool ends = code < 0x80 && std::string_view("-({[< \t\n\r\v\f").find(static_cast<char>(code)) !=
                                         std::string_view::npos;
    const bool continues = std::exchange(inside, !ends);
    return continues ? utf8proc_tolower(code) : utf8proc_toupper(code);
  });
}

std::string trimmed(std::string_view text, std::string_view set, bool left, bool right) {
  const std::vector<std::string> all = characters(text);
  const std::vector<std::string> drop = characters(set);
  auto dropped = [&](const std::string& c) { return std::find(drop.begin(), drop.end(), c) != drop.end(); };
  size_t begin = 0, end = all.size();
  size_t from = 0, to = text.size();
  while (left && begin < end && dropped(all[begin])) from += all[begin++].size();
  while (right && end > begin && dropped(all[end - 1])) to -= all[--end].size();
  return std::string(text.substr(from, to - from));
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to, int64_t most,
                     Meter& meter) {
  std::string out;
  size_t at = 0;
  auto add = [&](std::string_view part) {
    meter.spend(part.size() + 1);
    out += part;
  };
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    size_t found = text.find(from, at);
    if (from.empty()) {  // Python puts `to` before each character and at the end
      if (at > text.size()) break;
      found = at;
    }
    if (found == std::string::npos) break;
    add(std::string_view(text).substr(at, found - at));
    add(to);
    at = found + from.size();
    if (from.empty()) {
      size_t next = at + 1;
      while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) ++next;
      if (at < text.size()) add(std::string_view(text).substr(at, next - at));
      at = next;
    }
  }
  if (at < text.size()) add(std::string_view(text).substr(at));
  return out;
}

std::string joined(const List& items, const std::string& between, Meter& meter) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) {
      meter.spend(between.size());
      out += between;
    }
    out += text_of(items[i], meter);
  }
  return out;
}

}  // namespace halftone::jinja
