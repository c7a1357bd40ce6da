#include "backend/cuda/attention/half_heads.h"

#include "backend/cuda/attention/half_heads_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

int64_t padded(const HeadsExtent& e) {
  return round_up<int64_t>(e.dim, 8);
}

}  // namespace

int64_t HalfHeads::elements(const HeadsExtent& e, int64_t length) {
  return e.batch * e.heads * length * padded(e);
}

HalfHeads::HalfHeads(Device& device, const HeadsExtent& e, int64_t length, f16* memory)
    : device_(device), heads_(e.heads), length_(length), padded_(padded(e)), memory_(memory) {}

void HalfHeads::store(const float* from, const HeadsExtent& e, int64_t first, const int64_t* valid) const {
  if (e.length == 0) return;
  device_.launch(half_heads_kernel,
                 {{static_cast<int>(e.length), static_cast<int>(e.heads), static_cast<int>(e.batch)},
                  kHalfHeadsThreads,
                  0},
                 {from, heads_view(e), memory_, valid, static_cast<int>(first), static_cast<int>(length_),
                  static_cast<int>(heads_), static_cast<int>(e.dim), static_cast<int>(padded_)});
}

KvSide HalfHeads::side() const {
  KvSide side{};
  side.data = reinterpret_cast<std::byte*>(memory_);
  side.token_bytes = padded_ * int64_t{sizeof(f16)};
  side.head_bytes = length_ * side.token_bytes;
  side.block_bytes = heads_ * side.head_bytes;
  return side;
}

}  // namespace halftone::cuda
