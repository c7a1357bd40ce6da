#include "ops/attributes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace halftone {
namespace {

template <class T>
T get(const std::map<std::string, AttributeValue, std::less<>>& values, std::string_view name,
      const T& fallback) {
  auto found = values.find(name);
  if (found == values.end()) return fallback;
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw InputError("attribute \"{}\" has the wrong type: {}", name, attribute_text(found->second));
}

}  // namespace

int64_t Attributes::get_int(std::string_view name, int64_t fallback) const {
  return get(values_, name, fallback);
}
float Attributes::get_float(std::string_view name, float fallback) const {
  return get(values_, name, fallback);
}
std::string Attributes::get_string(std::string_view name, const std::string& fallback) const {
  return get(values_, name, fallback);
}
std::vector<int64_t> Attributes::get_ints(std::string_view name, const std::vector<int64_t>& fallback) const {
  return get(values_, name, fallback);
}

std::string attribute_text(const AttributeValue& value) {
  struct Printer {
    std::string operator()(int64_t x) const { return fmt::format("{}", x); }
    std::string operator()(float x) const { return fmt::format("{}", x); }
    std::string operator()(const std::string& x) const { return fmt::format("\"{}\"", x); }
    std::string operator()(const std::vector<int64_t>& x) const {
      return fmt::format("[{}]", fmt::join(x, ", "));
    }
    std::string operator()(const std::vector<float>& x) const {
      return fmt::format("[{}]", fmt::join(x, ", "));
    }
  };
  return std::visit(Printer{}, value);
}

}  // namespace halftone
