#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <pcre2.h>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr size_t kMaxPattern = 64 << 10;
constexpr uint32_t kMatchLimit = 50'000'000;  // steps of one match
constexpr uint32_t kHeapLimit = 64 << 10;     // KiB
constexpr size_t kJitStack = 1 << 20;

// What goes inside [...] for the escapes whose meaning differs between engines.
constexpr std::string_view kSpace =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})";
/// Oniguruma takes these for \w and at \b, not for [\w].
constexpr std::string_view kWordOutsideClasses = R"(\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr std::string_view kHex = "0-9A-Fa-f";

// PCRE2 takes a script's name for its script extensions; the other engines mean the script itself.
constexpr std::array<std::string_view, 12> kScripts = {"Han",   "Hiragana",   "Katakana", "Hangul",
                                                       "Latin", "Greek",      "Arabic",   "Cyrillic",
                                                       "Thai",  "Devanagari", "Hebrew",   "Bopomofo"};

/// The members of the class that \c is short for, or nothing.
std::string_view members(char c) {
  switch (c | 32) {
    case 's':
      return kSpace;
    case 'w':
      return kWord;
    case 'h':
      return kHex;
    default:
      return {};
  }
}

/// \b or \B by what \w means here.
std::string word_boundary(bool wanted) {
  const auto looks = [](char behind, char ahead) {
    const std::string word = fmt::format("[{}{}]", kWord, kWordOutsideClasses);
    return fmt::format("(?<{}{})(?{}{})", behind, word, ahead, word);
  };
  return wanted ? "(?:" + looks('=', '!') + "|" + looks('!', '=') + ")"
                : "(?:" + looks('=', '=') + "|" + looks('!', '!') + ")";
}

/// The pattern with the escapes spelled out.
std::string translate(std::string_view pattern, const std::string& source) {
  std::string out;
  int depth = 0;  // of brackets
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '[') {
      bool posix = depth > 0 && i + 1 < pattern.size() && pattern[i + 1] == ':';
      if (posix || depth == 0) {
        out += c;
        ++depth;
        if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
        if (i + 1 < pattern.size() && pattern[i + 1] == ']') {
          out += "\\]";
          ++i;
        }
      } else {
        throw UnsupportedError("{}: a class inside a class in the regular expression: {}", source, pattern);
      }
    } else if (c == ']' && depth > 0) {
      out += c;
      --depth;
    } else if (c == '&' && depth > 0 && pattern.substr(i).starts_with("&&")) {
      throw UnsupportedError("{}: an intersection of classes in the regular expression: {}", source, pattern);
    } else if (c != '\\' || i + 1 == pattern.size()) {
      out += c;
    } else {
      char escaped = pattern[++i];
      std::string_view inside = members(escaped);
      bool negated = escaped >= 'A' && escaped <= 'Z';
      if (!inside.empty()) {
        if (depth == 0) {
          out += negated ? "[^" : "[";
          out += inside;
          if ((escaped | 32) == 'w') out += kWordOutsideClasses;
          out += ']';
        } else if (!negated) {
          out += inside;
        } else if ((escaped | 32) == 's') {
          out += R"(\P{White_Space})";
        } else {
          throw UnsupportedError("{}: \\{} inside a class of the regular expression: {}", source, escaped,
                                 pattern);
        }
        continue;
      }
      if (depth == 0 && (escaped | 32) == 'b') {
        out += word_boundary(escaped == 'b');
        continue;
      }
      out += '\\';
      out += escaped;
      if ((escaped | 32) == 'p' && i + 1 < pattern.size() && pattern[i + 1] == '{') {
        std::string_view name = pattern.substr(i + 2, pattern.find('}', i) - i - 2);
        if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end()) {
          out += "{sc:";
          ++i;
        }
      }
    }
  }
  return out;
}

std::string error_text(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

/// What a match needs besides the expression: one set for each thread.
struct Workspace {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStack, nullptr);

  Workspace() {
    if (!context || !data) throw std::bad_alloc();
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimit);
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Workspace() {
    pcre2_jit_stack_free(stack);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
};

/// The time that all matches in a text may take together: far above what any honest expression needs.
class Deadline {
 public:
  explicit Deadline(size_t bytes)
      : end_(Clock::now() + std::chrono::seconds(5) +
             std::chrono::microseconds(20) * static_cast<int64_t>(bytes)) {}
  bool passed() const { return Clock::now() > end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern, std::string source) : source_(std::move(source)) {
  if (pattern.size() > kMaxPattern)
    throw InputError("{}: a regular expression of {} bytes; at most {} are taken", source_, pattern.size(),
                     kMaxPattern);
  std::string translated = translate(pattern, source_);
  auto code = std::make_shared<Code>();
  int error = 0;
  PCRE2_SIZE at = 0;
  code->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (!code->code)
    throw InputError("{}: not a regular expression: {}: {}", source_, error_text(error), pattern);
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // where there is no JIT the interpreter does it
  code_ = std::move(code);
}

void Regex::for_each_match(std::string_view text, const std::function<void(size_t, size_t)>& found) const {
  thread_local Workspace workspace;
  Deadline deadline(text.size());
  size_t from = 0;
  size_t last_end = std::string_view::npos;
  while (from <= text.size()) {
    int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                            PCRE2_NO_UTF_CHECK, workspace.data, workspace.context);
    if (count == PCRE2_ERROR_NOMATCH) return;
    if (count < 0)
      throw InputError("{}: the regular expression runs away on a text of {} bytes: {}", source_, text.size(),
                       error_text(count));
    if (deadline.passed())
      throw InputError("{}: the regular expression takes too long on a text of {} bytes", source_,
                       text.size());
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(workspace.data);
    size_t begin = ends[0], end = ends[1];
    if (end < begin) begin = end;  // \K in a lookahead can do that
    if (end > begin || begin != last_end) found(std::max(begin, from), std::max(end, from));
    last_end = end;
    from = end;
    if (end == begin)
      from = end < text.size() ? end + char_length(static_cast<unsigned char>(text[end])) : end + 1;
  }
}

std::string Regex::replace_all(std::string_view text, std::string_view content) const {
  std::string out;
  size_t done = 0;
  for_each_match(text, [&](size_t begin, size_t end) {
    out += text.substr(done, begin - done);
    out += content;
    done = end;
  });
  out += text.substr(done);
  return out;
}

std::string Regex::escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c & 0x80) || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!plain) out += c == '\n' || c == ' ' || c == '\0' ? "" : "\\";
    out += c;
  }
  return out;
}

}  // namespace halftone
