#include "backend/cuda/gemm/few_products.h"

#include <algorithm>
#include <functional>

#include "backend/cuda/gemm/few_tokens_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// Blocks of few_tokens that an SM has at once.
constexpr int kBlocksAnSm = 2;

/// few_tokens for a kind of weights; columns of its pieces, and pieces that a warp has under way.
struct FewKernel {
  const DeviceKernel<FewTokensArgs>* kernel;
  int columns, ahead;
};
template <WeightKind kind>
FewKernel of_kind(const DeviceKernel<FewTokensArgs>& kernel) {
  return {&kernel, FewPiece<kind>::kColumns, FewPiece<kind>::kAhead};
}
FewKernel few_kernel(WeightKind kind) {
  switch (kind) {
    case WeightKind::split:
      return of_kind<WeightKind::split>(few_tokens_split);
    case WeightKind::int8:
      return of_kind<WeightKind::int8>(few_tokens_int8);
    case WeightKind::int4:
      return of_kind<WeightKind::int4>(few_tokens_int4);
    case WeightKind::int2:
      return of_kind<WeightKind::int2>(few_tokens_int2);
    case WeightKind::table4:
      return of_kind<WeightKind::table4>(few_tokens_table4);
    case WeightKind::e4m3:
      return of_kind<WeightKind::e4m3>(few_tokens_e4m3);
    case WeightKind::e5m2:
      return of_kind<WeightKind::e5m2>(few_tokens_e5m2);
    default:
      return of_kind<WeightKind::half>(few_tokens_f16);
  }
}

/// Whether both are packed alike, but for the number of outputs.
bool alike(const WeightsView& a, const WeightsView& b) {
  return a.kind == b.kind && a.offset_kind == b.offset_kind && a.k == b.k && a.packed_k == b.packed_k &&
         a.group == b.group && a.taken == b.taken && a.groups == b.groups && a.zero == b.zero &&
         a.f32_scales == b.f32_scales && std::ranges::equal(a.table, b.table);
}

/// Floats from `begin` to before `end`.
struct Extent {
  const float* begin;
  const float* end;
  bool meets(const Extent& other) const {
    const std::less<const float*> before;
    return before(begin, other.end) && before(other.begin, end);
  }
};
Extent written(const GemmOutput& out) {
  const auto* y = static_cast<const float*>(out.y.data);
  return {y, y + int64_t{out.m} * out.n};
}
Extent added(const GemmOutput& out) {
  const auto* c = static_cast<const float*>(out.c.data);
  return {c, c ? c + (out.m - 1) * out.c_row_step + (out.n - 1) * out.c_column_step + 1 : c};
}
/// Whether neither product writes what the other writes or adds.
bool independent(const GemmOutput& a, const GemmOutput& b) {
  return !written(a).meets(written(b)) && !written(a).meets(added(b)) && !written(b).meets(added(a));
}

class FewProducts : public WaitingLaunch {
 public:
  FewProducts(const WeightsView& weights, const float* a, const GemmOutput& out) {
    args_.weights = weights;
    args_.a = a;
    add(weights, out);
  }

  bool join(const WeightsView& weights, const float* a, const GemmOutput& out) {
    if (args_.count == kMostJoined || a != args_.a || out.m != args_.products[0].out.m ||
        !alike(weights, args_.weights))
      return false;
    for (int i = 0; i < args_.count; ++i)
      if (!independent(args_.products[i].out, out)) return false;
    add(weights, out);
    return true;
  }

  void launch(Device& device) const override {
    FewTokensArgs args = args_;
    const WeightsView& w = args.weights;
    const int m = args.products[0].out.m, rows = std::min(m, kFewRows);
    int blocks = 0;
    const auto share_out = [&](int parts_shift) {
      args.parts_shift = parts_shift;
      blocks = 0;
      for (int i = 0; i < args.count; ++i) {
        args.products[i].first_block = blocks;
        blocks += ceil_div(tiles_of(args.products[i].out.n), kFewWarps >> parts_shift);
      }
    };
    share_out(3);
    while (args.parts_shift > 0 && blocks > kBlocksAnSm * device.chip().multiprocessors)
      share_out(args.parts_shift - 1);

    const FewKernel kernel = few_kernel(w.kind);
    while ((kBlockColumns << args.flush_shift) < kernel.columns &&
           w.group % (kBlockColumns << (args.flush_shift + 1)) == 0)
      ++args.flush_shift;
    if (w.groups > 1)
      args.group_reciprocal = static_cast<uint32_t>(ceil_div(int64_t{1} << 32, int64_t{w.group}));
    args.wide = w.k % 4 == 0 && reinterpret_cast<uintptr_t>(args.a) % alignof(Vec4) == 0;
    args.round_columns = w.packed_k;
    const auto shared = [&] { return static_cast<size_t>(few_tokens_shared(args, rows).bytes); };
    const bool whole = kBlockColumns << args.flush_shift == kernel.columns;
    const int ahead = any_scales(w, whole) ? std::min(kernel.ahead, kAnyScalesAhead) : kernel.ahead;
    const int multiple = kernel.columns * ahead << args.parts_shift;
    while (shared() > device.chip().shared_bytes / kBlocksAnSm && args.round_columns > multiple)
      args.round_columns = round_up(ceil_div(args.round_columns, 2), multiple);
    device.launch(*kernel.kernel, {{blocks, ceil_div(m, kFewRows)}, kFewWarps * kWarp, shared()}, args);
  }

 private:
  void add(const WeightsView& w, const GemmOutput& out) {
    args_.products[args_.count++] = {w.codes, w.scales, w.offsets, w.row_factors, out, 0};
  }

  FewTokensArgs args_{};
};

}  // namespace

void multiply_few(Device& device, const WeightsView& weights, const float* a, const GemmOutput& out) {
  if (auto* waiting = dynamic_cast<FewProducts*>(device.waiting()); waiting && waiting->join(weights, a, out))
    return;
  device.put_off(std::make_unique<FewProducts>(weights, a, out));
}

}  // namespace halftone::cuda
