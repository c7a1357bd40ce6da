#include "llm/chat_template/lexer.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace halftone::jinja {
namespace {

constexpr std::string_view kSpace = " \t\n\r\v\f";

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) text();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  void add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), 0, 0, line_}); }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw InputError("line {}: {}", line_, fmt::format(format, std::forward<Args>(args)...));
  }

  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view what) const { return source_.substr(at_).starts_with(what); }

  void skip(size_t count) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }

  /// Text up to the next tag, and the tag.
  void text() {
    size_t open = at_;
    while (true) {
      open = source_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= source_.size()) {
        open = source_.size();
        break;
      }
      const char kind = source_[open + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
      ++open;
    }
    std::string_view before = source_.substr(at_, open - at_);
    if (open < source_.size()) {
      const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
      if (sign == '-')
        before = before.substr(0, before.find_last_not_of(kSpace) + 1);
      else if (sign != '+' && source_[open + 1] != '{')
        before = without_indent(before);
    }
    if (!before.empty()) add(Kind::text, std::string(before));
    skip(open - at_);
    if (at_ >= source_.size()) return;
    switch (source_[at_ + 1]) {
      case '{':
        tag(Kind::print_begin, Kind::print_end, "}}");
        break;
      case '%':
        if (!raw()) tag(Kind::block_begin, Kind::block_end, "%}");
        break;
      default:
        comment();
    }
  }

  /// Without the blanks between the start of the line and a block tag.
  std::string_view without_indent(std::string_view before) const {
    const size_t last = before.find_last_not_of(" \t\v\f");
    const bool starts_line = last == std::string_view::npos ? at_line_start_ : before[last] == '\n';
    return starts_line ? before.substr(0, last + 1) : before;
  }

  /// After a tag: `trim` drops all space, and a newline goes after block tags and comments.
  void after_tag(bool trim, bool drop_newline) {
    const size_t before = at_;
    if (trim) {
      const size_t next = std::min(source_.find_first_not_of(kSpace, at_), source_.size());
      skip(next - at_);
    } else if (drop_newline) {
      if (looking_at("\n")) skip(1);
    }
    at_line_start_ = at_ > before && source_[at_ - 1] == '\n';
  }

  void comment() {
    const size_t close = source_.find("#}", at_ + 2);
    if (close == std::string_view::npos) fail("a comment is not closed");
    const char sign = close > at_ + 2 ? source_[close - 1] : '\0';
    skip(close + 2 - at_);
    after_tag(sign == '-', sign != '+');
  }

  /// {% raw %} ... {% endraw %}; false when this is another tag.
  bool raw() {
    size_t end = at_;
    if (!raw_tag("raw", end)) return false;
    const bool trim_begin = source_[end - 3] == '-';
    const size_t close_from = end;
    for (size_t close = source_.find("{%", close_from); close != std::string_view::npos;
         close = source_.find("{%", close + 2)) {
      size_t close_end = close;
      if (!raw_tag("endraw", close_end)) continue;
      skip(end - at_);
      after_tag(trim_begin, false);
      std::string_view body = source_.substr(at_, close > at_ ? close - at_ : 0);
      if (source_[close + 2] == '-')
        body = body.substr(0, body.find_last_not_of(kSpace) + 1);
      else
        body = without_indent(body);
      if (!body.empty()) add(Kind::text, std::string(body));
      const bool trim_end = source_[close_end - 3] == '-';
      skip(close_end - at_);
      after_tag(trim_end, true);
      return true;
    }
    fail("a raw block is not closed");
  }

  /// Whether {% word %} stands at `at`; moves `at` behind it.
  bool raw_tag(std::string_view word, size_t& at) const {
    size_t i = at + 2;
    auto blanks = [&] { i = std::min(source_.find_first_not_of(kSpace, i), source_.size()); };
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    blanks();
    if (!source_.substr(i).starts_with(word)) return false;
    i += word.size();
    blanks();
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    if (!source_.substr(i).starts_with("%}")) return false;
    at = i + 2;
    return true;
  }

  void tag(Kind begin, Kind end, std::string_view close) {
    add(begin, "");
    skip(2);
    if (peek() == '-' || peek() == '+') skip(1);
    int open_brackets = 0;
    while (true) {
      const size_t next = source_.find_first_not_of(kSpace, at_);
      if (next == std::string_view::npos) fail("a tag is not closed: expected \"{}\"", close);
      skip(next - at_);
      if (open_brackets == 0) {
        const bool sign = peek() == '-' || peek() == '+';
        if (source_.substr(at_ + (sign ? 1 : 0)).starts_with(close)) {
          const char trim = sign ? peek() : '\0';
          add(end, "");
          skip(close.size() + (sign ? 1 : 0));
          after_tag(trim == '-', end == Kind::block_end && trim != '+');
          return;
        }
      }
      word(open_brackets);
    }
  }

  void word(int& open_brackets) {
    const char c = peek();
    if (is_name_start(c)) {
      size_t end = at_;
      while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
      add(Kind::name, std::string(source_.substr(at_, end - at_)));
      skip(end - at_);
    } else if (is_digit(c)) {
      numeral();
    } else if (c == '\'' || c == '"') {
      string(c);
    } else {
      for (std::string_view symbol : {"==", "!=", "<=", ">=", "//", "**"})
        if (looking_at(symbol)) {
          add(Kind::symbol, std::string(symbol));
          skip(2);
          return;
        }
      if (std::string_view("+-*/%~<>=()[]{}.,:|").find(c) == std::string_view::npos)
        fail("unexpected character \"{}\" in a tag", static_cast<unsigned char>(c) < 0x20   ? '?'
                                                     : static_cast<unsigned char>(c) < 0x80 ? c
                                                                                            : '?');
      if (c == '(' || c == '[' || c == '{') ++open_brackets;
      if ((c == ')' || c == ']' || c == '}') && --open_brackets < 0) fail("\"{}\" closes nothing", c);
      add(Kind::symbol, std::string(1, c));
      skip(1);
    }
  }

  void numeral() {
    const char* begin = source_.data() + at_;
    const char* end = source_.data() + source_.size();
    const char* stop = begin;
    while (stop < end && is_digit(*stop)) ++stop;
    bool fraction = false;
    if (stop + 1 < end && *stop == '.' && is_digit(stop[1])) {
      fraction = true;
      for (++stop; stop < end && is_digit(*stop);) ++stop;
    }
    if (stop < end && (*stop == 'e' || *stop == 'E')) {
      const char* exponent = stop + 1;
      if (exponent < end && (*exponent == '+' || *exponent == '-')) ++exponent;
      if (exponent < end && is_digit(*exponent)) {
        fraction = true;
        for (stop = exponent; stop < end && is_digit(*stop);) ++stop;
      }
    }
    add(fraction ? Kind::number : Kind::integer, std::string(begin, stop));
    const auto result = fraction ? std::from_chars(begin, stop, tokens_.back().number)
                                 : std::from_chars(begin, stop, tokens_.back().integer);
    if (result.ec != std::errc())
      fail("the number {} is out of range", std::string_view(begin, stop).substr(0, 40));
    skip(static_cast<size_t>(stop - begin));
  }

  void string(char quote) {
    std::string value;
    size_t i = at_ + 1;
    for (; i < source_.size() && source_[i] != quote; ++i) {
      if (source_[i] != '\\') {
        value += source_[i];
        continue;
      }
      if (++i >= source_.size()) break;
      switch (source_[i]) {
        case 'n':
          value += '\n';
          break;
        case 't':
          value += '\t';
          break;
        case 'r':
          value += '\r';
          break;
        case 'b':
          value += '\b';
          break;
        case 'f':
          value += '\f';
          break;
        case 'v':
          value += '\v';
          break;
        case 'a':
          value += '\a';
          break;
        case '0':
          value += '\0';
          break;
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          value += source_[i];
          break;
        case 'x':
          i = code(value, i, 2);
          break;
        case 'u':
          i = code(value, i, 4);
          break;
        case 'U':
          i = code(value, i, 8);
          break;
        default:
          value += {'\\', source_[i]};
      }
    }
    if (i >= source_.size()) fail("a string is not closed");
    add(Kind::string, std::move(value));
    skip(i + 1 - at_);
  }

  /// A character by its hexadecimal code of `digits` digits after source_[i]; returns the last digit's place.
  size_t code(std::string& value, size_t i, size_t digits) const {
    const std::string_view text = source_.substr(i + 1, digits);
    uint32_t number = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (text.size() != digits || result.ptr != text.data() + digits || number > 0x10ffff ||
        (number >= 0xd800 && number < 0xe000))
      fail("\\{} needs {} hexadecimal digits of a character", source_[i], digits);
    append_utf8(value, number);
    return i + digits;
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  return Lexer(text).run();
}

}  // namespace halftone::jinja
