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

Refusal channels_last_refusal(const OpSite& site) {
  const Storage last{Storage::Order::channels_last, {}};
  if (!(site.inputs[0].storage == last)) return "the input is not channels-last";
  if (!(site.storage_of_output(0) == last)) return "the output is not channels-last";
  return {};
}

Refusal mixed_order_refusal(const OpSite& site) {
  const Storage storage = site.storage_of_output(0);
  if (storage.codes) return "values are codes";
  for (const SiteInput& input : site.inputs)
    if (input.present && !input.constant && !(input.storage == storage))
      return "values are stored in two orders";
  for (size_t i = 1; i < site.outputs.size(); ++i)
    if (!(site.storage_of_output(i) == storage)) return "values are stored in two orders";
  return {};
}

void parallel_floats(ThreadPool& threads, int64_t count, const std::function<void(int64_t, int64_t)>& body) {
  threads.parallel_for(count, kPieceFloats, body);
}

int64_t row_grain(int64_t width) {
  return std::max<int64_t>(1, kPieceFloats / std::max<int64_t>(1, width));
}

}  // namespace halftone::cpu
