#include "ops/group_normalization/group_normalization.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/normalization.h"

namespace halftone {
namespace {

/// Of the channels; unknown channels in unknown groups.
int64_t groups_of(const OpSite& site) {
  const int64_t channels = site.input_shape(0)[1];
  return site.schema->name == "InstanceNormalization" ? channels : site.attributes->get_int("num_groups", 0);
}

std::vector<ValueType> infer(const OpSite& site) {
  infer_float_map(site);
  require_f32_stash(site);
  const ValueType& x = site.inputs[0].type;
  require(site, x.shape.rank() >= 2, "X: expected [batch, channels, positions...], found {}", x.shape.str());
  const int64_t channels = x.shape[1];
  const int64_t groups = groups_of(site);
  require(site, channels < 0 || channels == 0 || (groups > 0 && channels % groups == 0),
          "{} channels do not divide among attribute num_groups ({})", channels, groups);
  for (size_t i : {1, 2}) {
    const ValueType& type = site.inputs[i].type;
    require(site, type.dtype == x.dtype && type.shape.rank() == 1 && sizes_may_agree(type.shape[0], channels),
            "{}: expected {} [{}], found {} {}", site.schema->inputs[i].name, dtype_name(x.dtype), channels,
            dtype_name(type.dtype), type.shape.str());
  }
  return {x};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 7 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  if (x.shape().elements() == 0) return;
  const Tensor scale = to_f32(plain(inputs[1])), bias = to_f32(plain(inputs[2]));
  const int64_t batch = x.shape()[0], channels = x.shape()[1], groups = groups_of(site);
  const auto positions = static_cast<size_t>(x.shape().elements() / (batch * channels));
  const auto group_channels = static_cast<size_t>(channels / groups);
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  std::vector<float> group(group_channels * positions);
  for (int64_t g = 0; g < batch * groups; ++g) {
    const int64_t begin = g * static_cast<int64_t>(group.size());
    load_floats(x.view(), begin, group);
    standardize(group, epsilon);
    const size_t first = static_cast<size_t>(g % groups) * group_channels;
    for (size_t i = 0; i < group.size(); ++i) {
      const size_t channel = first + i / positions;
      group[i] = group[i] * scale.span<float>()[channel] + bias.span<float>()[channel];
    }
    store_floats(group, outputs[0], begin);
  }
}

OpSchema normalization(std::string_view name) {
  const bool instance = name == "InstanceNormalization";
  return {.name = name,
          .domain = "",
          .inputs = {{instance ? "input" : "X"}, {"scale"}, {instance ? "B" : "bias"}},
          .outputs = {instance ? "output" : "Y"},
          .infer = infer,
          .cost = cost,
          .reference = reference};
}

}  // namespace

std::span<const OpSchema> group_normalization_schemas() {
  static const OpSchema schemas[] = {normalization("GroupNormalization"),
                                     normalization("InstanceNormalization")};
  return schemas;
}

}  // namespace halftone
