#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "backend/kernel.h"
#include "ops/gather/gather.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

/// Elements are numbered in f32 to find out where an operator moves them.
constexpr int64_t kMostElements = int64_t{1} << 24;

Refusal supports(const OpSite& site) {
  const Storage& first = site.inputs[0].storage;
  if (!first.codes) return "the input is not stored as codes";
  int64_t elements = 0;
  for (const SiteInput& input : site.inputs) {
    if (!input.present || input.constant) continue;
    if (!is_float(input.type.dtype)) return "a parameter is not a constant";
    if (input.storage.codes != first.codes) return "inputs and outputs do not share one scale";
    if (!input.type.shape.is_concrete()) return "symbolic sizes";
    elements += input.type.shape.elements();
  }
  for (size_t i = 0; i < site.outputs.size(); ++i) {
    if (site.storage_of_output(i).codes != first.codes) return "inputs and outputs do not share one scale";
    if (!site.outputs[i].shape.is_concrete()) return "symbolic sizes";
    if (site.outputs[i].shape.elements() > std::numeric_limits<int32_t>::max())
      return "2^31 elements or more";
  }
  if (elements > kMostElements) return "more than 2^24 elements";
  return {};
}

Refusal supports_nearest(const OpSite& site) {
  if (site.attributes->get_string("mode", "nearest") != "nearest") return "it interpolates";
  if (site.attributes->get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize")
    return "it may read outside of its input";
  return supports(site);
}

Refusal supports_gather(const OpSite& site) {
  if (Refusal refusal = supports(site); !refusal.empty()) return refusal;
  if (!site.inputs[1].constant) return "indices that are computed";
  const Tensor indices = site.inputs[1].constant->load();
  const Operand operand{indices.view(), nullptr, nullptr, true};
  const int64_t size = site.input_shape(0)[axis_attribute(site, "axis", 0, site.input_shape(0).rank())];
  for (int64_t i = 0; i < indices.shape().elements(); ++i)
    if (gather_index(operand, i, size) < 0) return "it reads outside of its input";
  return {};
}

/// Where element `i` (counted in planar order) of a tensor lies in memory, and back.
class MemoryOrder {
 public:
  MemoryOrder(const Shape& shape, Storage::Order order) : last_(order == Storage::Order::channels_last) {
    if (!last_) return;
    channels_ = shape[1];
    for (int axis = 2; axis < shape.rank(); ++axis) places_ *= shape[axis];
  }
  int64_t memory(int64_t planar) const { return last_ ? turned(planar, channels_, places_) : planar; }
  int64_t planar(int64_t memory) const { return last_ ? turned(memory, places_, channels_) : memory; }

 private:
  static int64_t turned(int64_t i, int64_t rows, int64_t columns) {
    const int64_t block = rows * columns, inside = i % block;
    return i - inside + inside % columns * rows + inside / columns;
  }
  bool last_;
  int64_t channels_ = 1, places_ = 1;
};

/// Bytes of an output that lie `step` apart in one input.
struct Run {
  int32_t to, from, count, step;
  int32_t input;
};

/// Any operator that only moves numbers, on codes of one scale: its reference, run once over numbered
/// elements, says which byte comes from where.
class MoveCodes final : public PreparedKernel {
 public:
  explicit MoveCodes(const OpSite& site) {
    OpSite plain = site;
    plain.output_storage.clear();
    std::vector<Tensor> held;
    std::vector<Operand> operands(site.inputs.size());
    std::vector<int64_t> first(site.inputs.size() + 1);
    for (size_t i = 0; i < site.inputs.size(); ++i) {
      const SiteInput& input = site.inputs[i];
      first[i + 1] = first[i];
      plain.inputs[i].storage = {};
      if (!input.present) continue;
      if (input.constant) {
        held.push_back(input.constant->load());
      } else {
        held.push_back(Tensor::allocate(DType::f32, input.type.shape));
        for (float& x : held.back().mutable_view().span<float>()) x = static_cast<float>(first[i + 1]++);
        plain.inputs[i].type.dtype = DType::f32;
      }
      operands[i] = {held.back().view(), nullptr, nullptr, true};
    }
    std::vector<Tensor> made;
    std::vector<MutableTensorView> views;
    for (ValueType& output : plain.outputs) {
      output.dtype = DType::f32;
      made.push_back(Tensor::allocate(DType::f32, output.shape));
    }
    for (Tensor& tensor : made) views.push_back(tensor.mutable_view());
    site.schema->reference(plain, operands, views);
    for (size_t i = 0; i < made.size(); ++i) runs_.push_back(runs_of(site, i, made[i].span<float>(), first));
  }

  void run(const KernelRun& run) const override {
    for (size_t i = 0; i < runs_.size(); ++i) {
      uint8_t* y = run.outputs[i].span<uint8_t>().data();
      run.threads.parallel_for(static_cast<int64_t>(runs_[i].size()), 4096, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) copy(runs_[i][static_cast<size_t>(r)], run.inputs, y);
      });
    }
  }

 private:
  static std::vector<Run> runs_of(const OpSite& site, size_t output, std::span<const float> sources,
                                  const std::vector<int64_t>& first) {
    std::vector<MemoryOrder> orders;
    for (const SiteInput& input : site.inputs) orders.emplace_back(input.type.shape, input.storage.order);
    const MemoryOrder to(site.outputs[output].shape, site.storage_of_output(output).order);
    std::vector<Run> runs;
    for (int64_t i = 0; i < static_cast<int64_t>(sources.size()); ++i) {
      const auto source = static_cast<int64_t>(sources[static_cast<size_t>(to.planar(i))]);
      const auto input =
          static_cast<size_t>(std::upper_bound(first.begin(), first.end(), source) - first.begin()) - 1;
      const int64_t from = orders[input].memory(source - first[input]);
      if (!runs.empty() && runs.back().input == static_cast<int32_t>(input)) {
        Run& last = runs.back();
        const int64_t step = from - (last.from + int64_t{last.count - 1} * last.step);
        if (last.count == 1 || step == last.step) {
          last.step = static_cast<int32_t>(step);
          ++last.count;
          continue;
        }
      }
      runs.push_back(
          {static_cast<int32_t>(i), static_cast<int32_t>(from), 1, 1, static_cast<int32_t>(input)});
    }
    return runs;
  }

  static void copy(const Run& run, std::span<const Operand> inputs, uint8_t* y) {
    const uint8_t* from = inputs[static_cast<size_t>(run.input)].span<uint8_t>().data() + run.from;
    if (run.step == 1) {
      std::memcpy(y + run.to, from, static_cast<size_t>(run.count));
      return;
    }
    uint8_t* to = y + run.to;
    for (int32_t i = 0; i < run.count; ++i, from += run.step) to[i] = *from;
  }

  std::vector<std::vector<Run>> runs_;  ///< by output
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MoveCodes>(site);
}

}  // namespace

#define HALFTONE_MOVE_CODES(name, op, supports) \
  extern const Kernel name##_codes{#name "_codes", op, Isa::scalar, supports, prepare, true};
HALFTONE_MOVE_CODES(depth_to_space, "DepthToSpace", supports)
HALFTONE_MOVE_CODES(gather, "Gather", supports_gather)
HALFTONE_MOVE_CODES(resize_nearest, "Resize", supports_nearest)
HALFTONE_MOVE_CODES(slice, "Slice", supports)
HALFTONE_MOVE_CODES(space_to_depth, "SpaceToDepth", supports)
HALFTONE_MOVE_CODES(split, "Split", supports)
HALFTONE_MOVE_CODES(transpose, "Transpose", supports)

}  // namespace halftone::cpu
