#include "tokenizer/pattern.h"

namespace halftone {

namespace {

std::variant<std::string, Regex> parse(const Json& json, const std::string& source) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object() && json.contains("String")) return json_get<std::string>(json, "String", source);
  if (json.is_object() && json.contains("Regex"))
    return Regex(json_get<std::string>(json, "Regex", source), source);
  throw InputError("{}: a pattern is {{\"String\": ...}} or {{\"Regex\": ...}}, found {}", source,
                   json.dump().substr(0, 80));
}

}  // namespace

Pattern::Pattern(const Json& json, const std::string& source) : what_(parse(json, source)) {}

void Pattern::for_each_match(std::string_view text, const std::function<void(size_t, size_t)>& found) const {
  if (const auto* regex = std::get_if<Regex>(&what_)) return regex->for_each_match(text, found);
  const std::string& wanted = *plain();
  if (wanted.empty()) return;
  for (size_t at = text.find(wanted); at != std::string_view::npos;
       at = text.find(wanted, at + wanted.size()))
    found(at, at + wanted.size());
}

std::string Pattern::replace_all(std::string_view text, std::string_view content) const {
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

}  // namespace halftone
