#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace halftone {

/// A regular expression of a tokenizer file, which is not to be trusted: compiled by PCRE2 (UTF, Unicode
/// properties, JIT where there is one) with the meaning that the files' own engines give it: \s is
/// White_Space, \w are letters, marks, numbers and connectors, \h is a hexadecimal digit, ^ and $ stand at
/// lines. Limits on steps, memory and time turn an expression that runs away into an InputError.
class Regex {
 public:
  /// Throws InputError when the expression is wrong; `source` names its place.
  Regex(std::string_view pattern, std::string source);

  /// Calls found(begin, end) for each match in valid UTF-8 `text`, left to right, none overlapping.
  void for_each_match(std::string_view text,
                      const std::function<void(size_t begin, size_t end)>& found) const;

  /// `text` with each match replaced by `content`, which is taken literally.
  std::string replace_all(std::string_view text, std::string_view content) const;

  /// An expression that matches `text` and nothing else.
  static std::string escape(std::string_view text);

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string source_;
};

}  // namespace halftone
