#include "ops/conv/conv.h"

#include "ops/elementwise.h"
#include "ops/fused_activation.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.has_input(0) && site.has_input(1), "X and W are needed");
  const Shape& x = site.input_shape(0);
  const Shape& w = site.input_shape(1);
  require_spatial(site, x);
  for (size_t i = 0; i < site.inputs.size(); ++i)
    require(site, !site.has_input(i) || is_float(site.inputs[i].type.dtype), "input {} is {}, not floating",
            site.schema->inputs[i].name, dtype_name(site.inputs[i].type.dtype));
  require(site, w.rank() == x.rank() && w.is_concrete(), "W: expected [M, C / group, kernel...], found {}",
          w.str());
  const int64_t groups = site.attributes->get_int("group", 1);
  require(site, groups >= 1 && w[0] % groups == 0, "{} outputs in {} groups", w[0], groups);
  require(site, x[1] < 0 || (x[1] % groups == 0 && x[1] / groups == w[1]),
          "X has {} channels, W takes {} in each of {} groups", x[1], w[1], groups);
  const std::vector<int64_t> kernel(w.begin() + 2, w.end());
  require(site, site.attributes->get_ints("kernel_shape", kernel) == kernel, "kernel_shape differs from W {}",
          w.str());
  if (site.has_input(2))
    require(site, site.input_shape(2) == Shape{w[0]}, "B: expected [{}], found {}", w[0],
            site.input_shape(2).str());
  fused_activation(site);
  const Shape y = window_output_shape(site, conv_extent(site).window, x, w[0]);
  if (site.has_input(3))
    require(site, site.input_shape(3) == y, "R: expected {}, found {}", y.str(), site.input_shape(3).str());
  return {{site.inputs[0].type.dtype, y}};
}

Cost cost(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  Cost total = traffic(site);
  const double outputs = static_cast<double>(site.outputs[0].shape.elements());
  total.flops = outputs * (2 * static_cast<double>(extent.group_inputs * extent.window.taps()) +
                           site.has_input(2) + site.has_input(3));
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  auto f32 = [&](size_t i) { return site.has_input(i) ? to_f32(plain(inputs[i])) : Tensor(); };
  const Tensor xs = f32(0), ws = f32(1), bs = f32(2), rs = f32(3);
  const auto x = xs.span<float>(), w = ws.span<float>();
  const ConvExtent extent = conv_extent(site);
  const FusedActivation activation = fused_activation(site);
  const Shape from = spatial_shape(xs.shape()), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements(), kernel = extent.window.taps();
  const int64_t channels = extent.groups * extent.group_outputs;
  struct Tap {
    int64_t offset, tap;
  };
  std::vector<Tap> taps;
  for (int64_t n = 0; n < xs.shape()[0]; ++n)
    for (int64_t place = 0; place < places; ++place) {
      taps.clear();
      visit_taps(extent.window, from, spatial_index(to, place), [&](int64_t offset, int64_t tap) {
        taps.push_back({offset, tap});
      });
      for (int64_t m = 0; m < channels; ++m) {
        const int64_t first =
            n * extent.groups * extent.group_inputs + m / extent.group_outputs * extent.group_inputs;
        double sum = 0;
        for (int64_t c = 0; c < extent.group_inputs; ++c)
          for (const Tap& t : taps)
            sum +=
                static_cast<double>(x[static_cast<size_t>((first + c) * plane + t.offset)]) *
                static_cast<double>(w[static_cast<size_t>((m * extent.group_inputs + c) * kernel + t.tap)]);
        if (site.has_input(2)) sum += static_cast<double>(bs.span<float>()[static_cast<size_t>(m)]);
        const int64_t at = (n * channels + m) * places + place;
        if (site.has_input(3)) sum += static_cast<double>(rs.span<float>()[static_cast<size_t>(at)]);
        const float y = apply_activation(activation, static_cast<float>(sum));
        store_floats({&y, 1}, outputs[0], at);
      }
    }
}

}  // namespace

const OpSchema& conv_schema() {
  static const OpSchema schema = {.name = "Conv",
                                  .domain = "",
                                  .inputs = {{"X"}, {"W"}, {"B", true}, {"R", true}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

ConvExtent conv_extent(const OpSite& site) {
  const Shape& w = site.input_shape(1);
  const int64_t groups = site.attributes->get_int("group", 1);
  return {read_window(site, site.input_shape(0), std::span(w.begin() + 2, w.end())), groups, w[1],
          w[0] / groups};
}

}  // namespace halftone
