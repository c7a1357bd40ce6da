#include "llm/check_export.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "models/model.h"

namespace halftone {
namespace {

bool same_codes(const QuantizedTensor& a, const QuantizedTensor& b) {
  std::vector<uint8_t> codes_a(static_cast<size_t>(a.columns())), codes_b(codes_a.size());
  std::vector<float> values_a(codes_a.size()), values_b(codes_a.size());
  for (int64_t row = 0; row < a.rows(); ++row) {
    a.row_codes(row, codes_a);
    b.row_codes(row, codes_b);
    a.decode_row(row, values_a);
    b.decode_row(row, values_b);
    if (codes_a != codes_b || values_a != values_b) return false;
  }
  return true;
}

bool close_in_f16(const Tensor& a, const Tensor& b) {
  const Tensor left = to_f32(a), right = to_f32(b);
  return std::ranges::equal(left.span<float>(), right.span<float>(), [](float x, float y) {
    return std::abs(x - y) <= 0x1p-10f * std::abs(x) + 0x1p-24f;
  });
}

}  // namespace

void check_export(const Graph& graph, const fs::path& folder) {
  Graph back;
  try {
    back = build_llm(open_checkpoint(folder));
  } catch (const InputError& error) {
    throw UnsupportedError("this family's checkpoints hold its weights in another form than its graph: {}",
                           error.what());
  }
  std::map<std::string, const Constant*> written;
  for (const Value& value : graph.values())
    if (value.constant) written[value.name] = &*value.constant;
  for (const Value& value : back.values()) {
    if (!value.constant || !(value.name.ends_with(".weight") || value.name.ends_with(".bias"))) continue;
    const auto found = written.find(value.name);
    bool same = found != written.end() && found->second->shape() == value.type.shape;
    if (same && value.constant->encoding())
      same = found->second->encoding() &&
             same_codes(*found->second->load_encoded(value.name), *value.constant->load_encoded(value.name));
    else if (same)
      same = close_in_f16(found->second->load(), value.constant->load());
    if (!same)
      throw UnsupportedError(
          "{}: reads back other than it was written: this family's checkpoints hold it in another form",
          value.name);
  }
}

}  // namespace halftone
