#include "ops/conv/conv.h"

#include <algorithm>

#include "ops/conv/conv_dynamic.h"
#include "ops/conv/convolve.h"
#include "ops/elementwise.h"
#include "ops/fused_activation.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.has_input(0) && site.has_input(1), "X and W are needed");
  for (size_t i = 0; i < site.inputs.size(); ++i)
    require(site, !site.has_input(i) || is_float(site.inputs[i].type.dtype), "input {} is {}, not floating",
            site.schema->inputs[i].name, dtype_name(site.inputs[i].type.dtype));
  const Shape& w = site.input_shape(1);
  const Shape y = conv_output_shape(site, site.input_shape(0), w);
  if (site.has_input(2))
    require(site, site.input_shape(2) == Shape{w[0]}, "B: expected [{}], found {}", w[0],
            site.input_shape(2).str());
  fused_activation(site);
  if (site.has_input(3))
    require(site, site.input_shape(3) == y, "R: expected {}, found {}", y.str(), site.input_shape(3).str());
  if (site.has_input(kConvGains))
    require(site, site.input_shape(kConvGains) == Shape{w[0]}, "G: expected [{}], found {}", w[0],
            site.input_shape(kConvGains).str());
  return {{site.inputs[0].type.dtype, y}};
}

Cost cost(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  Cost total = traffic(site);
  const double outputs = static_cast<double>(site.outputs[0].shape.elements());
  total.flops = outputs * (2 * static_cast<double>(extent.group_inputs * extent.window.taps()) +
                           site.has_input(2) + site.has_input(3) + site.has_input(kConvGains));
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const bool rounds = site.inputs[0].encoding && is_rounded_bf16(*site.inputs[0].encoding);
  if (site.inputs[0].encoding && !rounds) return dynamic_conv_reference(site, inputs, outputs);
  auto f32 = [&](size_t i) { return site.has_input(i) ? to_f32(plain(inputs[i])) : Tensor(); };
  Tensor xs = f32(0);
  if (rounds) {
    Tensor rounded = Tensor::allocate(DType::f32, xs.shape());
    round_to_bf16(xs.span<float>(), rounded.mutable_view().span<float>().data());
    xs = rounded;
  }
  const Tensor ws = f32(1), bs = f32(2), rs = f32(3), gs = f32(kConvGains);
  const FusedActivation activation = fused_activation(site);
  convolve<double, float>(conv_extent(site), xs.span<float>(), xs.shape(), ws.span<float>(), outputs[0].shape,
                          [&](int64_t at, int64_t channel, double sum) {
                            if (site.has_input(2))
                              sum += static_cast<double>(bs.span<float>()[static_cast<size_t>(channel)]);
                            if (site.has_input(3))
                              sum += static_cast<double>(rs.span<float>()[static_cast<size_t>(at)]);
                            float y = apply_activation(activation, static_cast<float>(sum));
                            if (site.has_input(kConvGains))
                              y *= gs.span<float>()[static_cast<size_t>(channel)];
                            store_floats({&y, 1}, outputs[0], at);
                          });
}

}  // namespace

const OpSchema& conv_schema() {
  static const OpSchema schema = {.name = "Conv",
                                  .domain = "",
                                  .inputs = {{"X"}, {"W"}, {"B", true}, {"R", true}, {"G", true}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

ConvExtent conv_extent(const OpSite& site) {
  return conv_extent(site, site.input_shape(0), site.input_shape(1));
}

ConvExtent conv_extent(const OpSite& site, const Shape& x, const Shape& w) {
  const int64_t groups = site.attributes->get_int("group", 1);
  return {read_window(site, x, std::span(w.begin() + 2, w.end())), groups, w[1], w[0] / groups};
}

Shape conv_output_shape(const OpSite& site, const Shape& x, const Shape& w) {
  require_spatial(site, x);
  require(site, w.rank() == x.rank() && w.is_concrete(), "W: expected [M, C / group, kernel...], found {}",
          w.str());
  const int64_t groups = site.attributes->get_int("group", 1);
  require(site, groups >= 1 && groups <= std::max<int64_t>(1, w[0]) && w[0] % groups == 0,
          "{} outputs in {} groups", w[0], groups);
  require(site, x[1] < 0 || (x[1] % groups == 0 && x[1] / groups == w[1]),
          "X has {} channels, W takes {} in each of {} groups", x[1], w[1], groups);
  const std::vector<int64_t> kernel(w.begin() + 2, w.end());
  require(site, site.attributes->get_ints("kernel_shape", kernel) == kernel, "kernel_shape differs from W {}",
          w.str());
  return window_output_shape(site, conv_extent(site, x, w).window, x, w[0]);
}

}  // namespace halftone
