#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "tokenizer/regex.h"

namespace halftone {

/// What a tokenizer.json looks for: {"String": "..."}, plain "...", or {"Regex": "..."}.
class Pattern {
 public:
  /// Throws InputError.
  Pattern(const Json& json, const std::string& source);

  void for_each_match(std::string_view text,
                      const std::function<void(size_t begin, size_t end)>& found) const;
  std::string replace_all(std::string_view text, std::string_view content) const;

  /// The text itself when this is a plain string, else null.
  const std::string* plain() const { return std::get_if<std::string>(&what_); }

 private:
  std::variant<std::string, Regex> what_;
};

}  // namespace halftone
