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

void parallel_floats(ThreadPool& threads, int64_t count, const std::function<void(int64_t, int64_t)>& body) {
  threads.parallel_for(count, kPieceFloats, body);
}

int64_t row_grain(int64_t width) {
  return std::max<int64_t>(1, kPieceFloats / std::max<int64_t>(1, width));
}

}  // namespace halftone::cpu
