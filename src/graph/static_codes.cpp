#include "graph/static_codes.h"

#include <cmath>

#include "base/error.h"

namespace halftone {
namespace {

constexpr std::string_view kIn = "codes_in", kOut = "codes_out";

/// Scale and zero by slot, checked: a file may have brought them.
std::vector<float> pairs_of(const Node& node, std::string_view name, size_t slots) {
  for (const auto& [key, value] : node.attributes) {
    if (key != name) continue;
    const auto* pairs = std::get_if<std::vector<float>>(&value);
    if (!pairs || pairs->size() > 2 * slots || pairs->size() % 2 != 0)
      throw InputError("{}: attribute {}: expected a scale and a zero for each of {} values", node.name, name,
                       slots);
    for (size_t i = 0; i < pairs->size(); i += 2) {
      const float scale = (*pairs)[i], zero = (*pairs)[i + 1];
      const bool known =
          zero == CodeScale::kWideZero || (zero >= 0 && zero <= 255 && zero == std::floor(zero));
      if (!(scale >= 0) || !std::isfinite(scale) || !known)
        throw InputError(
            "{}: attribute {}: expected a scale and a zero of 0 to 255, or 32768, found {} and {}", node.name,
            name, scale, zero);
    }
    return *pairs;
  }
  return {};
}

std::optional<CodeScale> codes_of(const Node& node, std::string_view name, size_t slots, size_t slot) {
  const std::vector<float> pairs = pairs_of(node, name, slots);
  if (2 * slot >= pairs.size() || pairs[2 * slot] == 0) return std::nullopt;
  return CodeScale{pairs[2 * slot], static_cast<uint16_t>(pairs[2 * slot + 1])};
}

void set_codes(Node& node, std::string_view name, size_t slots, size_t slot, const CodeScale& codes) {
  std::vector<float> pairs = pairs_of(node, name, slots);
  pairs.resize(std::max(pairs.size(), 2 * slot + 2));
  pairs[2 * slot] = codes.scale;
  pairs[2 * slot + 1] = codes.zero;
  node.attributes.set(std::string(name), std::move(pairs));
}

}  // namespace

std::optional<CodeScale> codes_in(const Node& node, size_t input) {
  return codes_of(node, kIn, node.inputs.size(), input);
}
std::optional<CodeScale> codes_out(const Node& node, size_t output) {
  return codes_of(node, kOut, node.outputs.size(), output);
}
void set_codes_in(Node& node, size_t input, const CodeScale& codes) {
  set_codes(node, kIn, node.inputs.size(), input, codes);
}
void set_codes_out(Node& node, size_t output, const CodeScale& codes) {
  set_codes(node, kOut, node.outputs.size(), output, codes);
}

bool has_static_codes(const Node& node) {
  return node.attributes.has(kIn) || node.attributes.has(kOut);
}

void forget_static_codes(Node& node) {
  Attributes kept;
  for (const auto& [key, value] : node.attributes)
    if (key != kIn && key != kOut) kept.set(key, value);
  node.attributes = std::move(kept);
}

}  // namespace halftone
