#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kPieceFloats = 16384;

}  // namespace

Refusal not_all_f32(const OpSite& site, size_t inputs) {
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present) continue;
    const std::string_view name = site.schema->inputs[i].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
    if (input.type.dtype != DType::f32)
      return fmt::format("{} is {}, not f32", name, dtype_name(input.type.dtype));
  }
  for (const ValueType& output : site.outputs)
    if (output.dtype != DType::f32 && output.dtype != DType::state)
      return fmt::format("the output is {}, not f32", dtype_name(output.dtype));
  return {};
}

void parallel_floats(ThreadPool& threads, int64_t count, const std::function<void(int64_t, int64_t)>& body) {
  threads.parallel_for(count, kPieceFloats, body);
}

int64_t row_grain(int64_t width) {
  return std::max<int64_t>(1, kPieceFloats / std::max<int64_t>(1, width));
}

}  // namespace halftone::cpu
