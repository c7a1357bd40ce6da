#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kPieceFloats = 16384;

}  // namespace

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
