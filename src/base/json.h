#pragma once

#include <concepts>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace halftone {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Parses untrusted JSON: nesting of at most 128, no duplicate keys. `source` names the text in errors
/// (InputError).
Json parse_json(std::string_view text, const std::string& source);

/// read_text() then parse_json().
Json read_json(const fs::path& path, size_t limit = size_t{256} << 20);

/// Whether `value` is a whole number that a T can hold (get<T>() alone truncates and wraps).
template <std::integral T>
bool json_fits(const Json& value) {
  if (value.is_number_unsigned()) return std::in_range<T>(value.get<uint64_t>());
  return value.is_number_integer() && std::in_range<T>(value.get<int64_t>());
}

/// object[key] as a T, with an error that names the source, the key, what was expected and what was found.
template <class T>
T json_get(const Json& object, const std::string& key, const std::string& source) {
  auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    throw InputError("{}: key \"{}\" is missing", source, key);
  try {
    if constexpr (std::integral<T> && !std::same_as<T, bool>)
      if (!json_fits<T>(*found))
        throw InputError("{}: key \"{}\": expected a whole number within range, found {}", source, key,
                         found->dump().substr(0, 80));
    return found->template get<T>();
  } catch (const nlohmann::json::exception&) {
    throw InputError("{}: key \"{}\" has the wrong type or range: {}", source, key,
                     found->dump().substr(0, 80));
  }
}

/// As json_get, with a value for a key that is absent or null.
template <class T>
T json_get_or(const Json& object, const std::string& key, T fallback, const std::string& source) {
  if (!object.is_object()) return fallback;
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  return json_get<T>(object, key, source);
}

}  // namespace halftone
