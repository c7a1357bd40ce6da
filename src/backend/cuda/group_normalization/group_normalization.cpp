#include "ops/group_normalization/group_normalization.h"

#include <algorithm>
#include <cmath>

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/group_normalization/group_normalization_kernels.h"
#include "backend/cuda/stored_shape.h"

namespace halftone::cuda {
namespace {

/// Elements that a block sums at least, and blocks that fill a GPU.
constexpr int64_t kPieceElements = 4096, kEnoughBlocks = 512;

GroupShape group_shape(const OpSite& site, int64_t groups) {
  const Shape& x = site.input_shape(0);
  GroupShape shape{x[0], x[1], 1, groups, 1, is_channels_last(site.inputs[0].storage)};
  for (int a = 2; a < x.rank(); ++a) shape.plane *= x[a];
  const int64_t blocks = shape.batch * (shape.channels_last ? (shape.channels + kWarp - 1) / kWarp : groups);
  const int64_t elements = cut_length(shape) * (shape.channels_last ? kWarp : 1);
  shape.parts =
      std::clamp<int64_t>(std::min(kEnoughBlocks / std::max<int64_t>(blocks, 1), elements / kPieceElements),
                          1, std::max<int64_t>(cut_length(shape), 1));
  return shape;
}

void launch_normalize(Device& device, NormalizeArgs args) {
  const int64_t elements = args.shape.channels * args.shape.plane;
  args.wide = (args.shape.channels_last ? args.shape.channels : args.shape.plane) % 4 == 0 &&
              all_aligned_16(args.x.data, args.y.data);
  Launch shape = thread_each(args.wide ? elements / 4 : elements);
  shape.blocks.y = static_cast<int>(args.shape.batch);
  device.launch(group_normalize, shape, args);
}

class GroupNormalization final : public CudaKernel {
 public:
  explicit GroupNormalization(const OpSite& site)
      : groups_(site.schema->name == "GroupNormalization" ? site.attributes->get_int("num_groups", 0) : 0),
        epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const GroupShape shape = shape_of(site);
    return static_cast<size_t>(shape.batch * shape.groups * (pieces_of_group(shape) + 1)) * sizeof(Moments);
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const GroupShape shape = shape_of(run.site);
    const int64_t groups = shape.batch * shape.groups;
    auto* of_groups = reinterpret_cast<Moments*>(run.workspace.data());
    Moments* pieces = of_groups + groups;
    const PieceMomentsArgs moments{run.inputs[0].tensor.data, pieces, shape};
    const DType dtype = run.outputs[0].dtype;
    const int parts = static_cast<int>(shape.parts);
    if (shape.channels_last)
      device().launch(
          of_type(dtype, group_moments_last_f32, group_moments_last_f16, group_moments_last_bf16),
          {{static_cast<int>((shape.channels + kWarp - 1) / kWarp), parts, static_cast<int>(shape.batch)},
           kGroupThreads,
           kGroupShared},
          moments);
    else
      device().launch(
          of_type(dtype, group_moments_planar_f32, group_moments_planar_f16, group_moments_planar_bf16),
          {{parts, static_cast<int>(groups)}, kGroupThreads, kGroupShared}, moments);
    constexpr int kWarps = kGroupThreads / kWarp;
    device().launch(group_join, {{static_cast<int>((groups + kWarps - 1) / kWarps)}, kGroupThreads, 0},
                    {pieces, of_groups, shape, epsilon_});
    launch_normalize(device(),
                     {floats_of(run.inputs[0]), of_groups, floats_of(run.inputs[1]), floats_of(run.inputs[2]),
                      floats_of(run.outputs[0]), shape, shape.groups, false});
  }

 private:
  GroupShape shape_of(const OpSite& site) const {
    return group_shape(site, groups_ > 0 ? groups_ : site.input_shape(0)[1]);
  }

  int64_t groups_;  ///< 0: one a channel
  float epsilon_;
};

/// With moments that were learned: mean and scale / sqrt(variance + epsilon) of each channel.
class BatchNormalization final : public CudaKernel {
 public:
  explicit BatchNormalization(const OpSite& site) : uploads_(device()) {
    std::vector<Tensor> parameters;
    for (size_t i = 1; i < 5; ++i) parameters.push_back(to_f32(site.inputs[i].constant->load()));
    const auto epsilon = static_cast<double>(site.attributes->get_float("epsilon", 1e-5f));
    std::vector<Moments> moments;
    std::vector<float> shift;
    for (size_t c = 0; c < parameters[0].span<float>().size(); ++c) {
      const auto at = [&](size_t i) { return static_cast<double>(parameters[i].span<float>()[c]); };
      moments.push_back({static_cast<float>(at(2)), static_cast<float>(at(0) / std::sqrt(at(3) + epsilon))});
      shift.push_back(static_cast<float>(at(1)));
    }
    moments_ = uploads_.add(moments, "moments");
    shift_ = uploads_.add(shift, "shifts");
  }
  bool keeps(size_t i) const override { return i > 0; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    launch_normalize(device(), {floats_of(run.inputs[0]), moments_, Floats{nullptr, FloatType::f32},
                                Floats{shift_, FloatType::f32}, floats_of(run.outputs[0]),
                                group_shape(run.site, run.site.input_shape(0)[1]), 0, false});
  }

 private:
  Uploads uploads_;
  const Moments* moments_;
  const float* shift_;
};

/// Scales and shifts, of one dimension, lie the same in either order.
Refusal order_refusal(const OpSite& site) {
  if (site.storage_of_output(0).codes || site.inputs[0].storage.codes) return "values are codes";
  return site.inputs[0].storage == site.storage_of_output(0) ? "" : "values are stored in two orders";
}

/// A grid's second and third dimension have at most 65535 blocks.
Refusal supports_groups(const OpSite& site) {
  if (Refusal refusal = order_refusal(site); !refusal.empty()) return refusal;
  const Shape& x = site.input_shape(0);
  if (x.is_concrete() && x[0] * x[1] > 65535) return fmt::format("{} channels", x[0] * x[1]);
  return not_one_float(site, 3);
}

Refusal supports_batch(const OpSite& site) {
  if (Refusal refusal = order_refusal(site); !refusal.empty()) return refusal;
  if (site.attributes->get_int("training_mode", 0) != 0) return "it trains";
  for (size_t i = 1; i < 5; ++i)
    if (!site.inputs[i].constant) return fmt::format("{} is computed", site.schema->inputs[i].name);
  return not_one_float(site, 1);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

extern const Kernel group_normalization{"group_normalization", "GroupNormalization",        Isa::scalar,
                                        supports_groups,       prepare<GroupNormalization>, true};
extern const Kernel instance_normalization{"instance_normalization", "InstanceNormalization",     Isa::scalar,
                                           supports_groups,          prepare<GroupNormalization>, true};
extern const Kernel batch_normalization{"batch_normalization", "BatchNormalization",        Isa::scalar,
                                        supports_batch,        prepare<BatchNormalization>, true};

}  // namespace halftone::cuda
