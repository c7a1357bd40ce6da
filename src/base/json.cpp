#include "base/json.h"

#include <set>
#include <vector>

namespace halftone {

Json parse_json(std::string_view text, const std::string& source) {
  constexpr int kMaxDepth = 128;
  std::vector<std::set<std::string>> keys;
  auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) throw InputError("{}: JSON is nested deeper than {}", source, kMaxDepth);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second)
      throw InputError("{}: JSON key \"{}\" appears twice", source, value.get<std::string>());
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const nlohmann::json::exception& error) {
    throw InputError("{}: not valid JSON: {}", source, error.what());
  }
}

Json read_json(const fs::path& path, size_t limit) {
  return parse_json(read_text(path, limit), path.string());
}

}  // namespace halftone
