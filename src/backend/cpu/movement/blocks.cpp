#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/movement/turn.h"
#include "ops/indexing.h"
#include "ops/strided.h"

// Channels become places and places channels: DepthToSpace, SpaceToDepth.

namespace halftone::cpu {
namespace {

/// How far apart neighbours of an image lie.
struct ImageSteps {
  int64_t sample, channel, row, column;
};
ImageSteps steps_of(const Shape& shape, const Storage& storage) {
  const Strides lying = row_major_strides(stored_shape(shape, storage));
  auto step = [&](int axis) { return lying[static_cast<size_t>(stored_axis(axis, 4, storage))]; };
  return {step(0), step(1), step(2), step(3)};
}

struct Axis {
  int64_t size, step;
};

/// The output's axes in the order of its bytes; each of its three parts may be several axes of the input.
template <size_t kChannels, size_t kRows, size_t kColumns>
Turn turn_of(Axis samples, const std::array<Axis, kChannels>& channels, const std::array<Axis, kRows>& rows,
             const std::array<Axis, kColumns>& columns, const Storage& storage) {
  Turn turn;
  auto add = [&](const auto& axes) {
    for (const Axis& axis : axes) turn.add(axis.size, axis.step);
  };
  const bool last = storage.order == Storage::Order::channels_last;
  turn.add(samples.size, samples.step);
  if (!last) add(channels);
  add(rows);
  add(columns);
  if (last) add(channels);
  return turn;
}

Turn depth_turn(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const Storage storage = site.storage_of_output(0);
  const ImageSteps by = steps_of(x, storage);
  const int64_t block = block_size(site), channels = x[1] / (block * block);
  const bool block_first = site.attributes->get_string("mode", "DCR") == "DCR";
  const int64_t place = by.channel * (block_first ? channels : 1);
  const int64_t channel = by.channel * (block_first ? 1 : block * block);
  return turn_of<1, 2, 2>({x[0], by.sample}, {{{channels, channel}}},
                          {{{x[2], by.row}, {block, place * block}}}, {{{x[3], by.column}, {block, place}}},
                          storage);
}

Turn space_turn(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const Storage storage = site.storage_of_output(0);
  const ImageSteps by = steps_of(x, storage);
  const int64_t block = block_size(site);
  return turn_of<3, 1, 1>({x[0], by.sample}, {{{block, by.row}, {block, by.column}, {x[1], by.channel}}},
                          {{{x[2] / block, block * by.row}}}, {{{x[3] / block, block * by.column}}}, storage);
}

template <Turn (*kTurn)(const OpSite& site)>
class BlockKernel : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    kTurn(run.site).copy(run.inputs[0].tensor.data, run.outputs[0].data, dtype_bytes(run.outputs[0].dtype),
                         run.threads);
  }
};

Refusal supports(const OpSite& site) {
  return unlike_storage_refusal(site, 1);
}

template <Turn (*kTurn)(const OpSite& site)>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<BlockKernel<kTurn>>();
}

}  // namespace

extern const Kernel depth_to_space{"depth_to_space", "DepthToSpace",      Isa::scalar,
                                   supports,         prepare<depth_turn>, true};
extern const Kernel space_to_depth{"space_to_depth", "SpaceToDepth",      Isa::scalar,
                                   supports,         prepare<space_turn>, true};

}  // namespace halftone::cpu
