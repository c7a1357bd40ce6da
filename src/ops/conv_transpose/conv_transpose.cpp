#include "ops/conv_transpose/conv_transpose.h"

#include <algorithm>

#include "ops/elementwise.h"

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
  require(site, w.rank() == x.rank() && w.is_concrete(), "W: expected [C, M / group, kernel...], found {}",
          w.str());
  const int64_t groups = site.attributes->get_int("group", 1);
  require(site, groups >= 1 && groups <= std::max<int64_t>(1, w[0]) && w[0] % groups == 0,
          "{} channels in {} groups", w[0], groups);
  require(site, x[1] < 0 || x[1] == w[0], "X has {} channels, W takes {}", x[1], w[0]);
  const std::vector<int64_t> kernel(w.begin() + 2, w.end());
  require(site, site.attributes->get_ints("kernel_shape", kernel) == kernel, "kernel_shape differs from W {}",
          w.str());
  if (site.has_input(2))
    require(site, site.input_shape(2) == Shape{w[1] * groups}, "B: expected [{}], found {}", w[1] * groups,
            site.input_shape(2).str());
  return {{site.inputs[0].type.dtype, conv_transpose_extent(site).output}};
}

Cost cost(const OpSite& site) {
  const ConvTransposeExtent extent = conv_transpose_extent(site);
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(site.input_shape(0).elements()) *
                    static_cast<double>(extent.group_outputs * extent.window.taps()) +
                (site.has_input(2) ? static_cast<double>(extent.output.elements()) : 0);
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor xs = to_f32(plain(inputs[0])), ws = to_f32(plain(inputs[1]));
  const Tensor bs = site.has_input(2) ? to_f32(plain(inputs[2])) : Tensor();
  const auto x = xs.span<float>(), w = ws.span<float>();
  const ConvTransposeExtent extent = conv_transpose_extent(site);
  const Shape from = spatial_shape(xs.shape()), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements(), kernel = extent.window.taps();
  const int64_t channels = extent.groups * extent.group_outputs;
  std::vector<double> sums(static_cast<size_t>(outputs[0].shape.elements()));
  for (size_t i = 0; i < sums.size(); ++i) {
    const auto m = static_cast<size_t>(static_cast<int64_t>(i) / places % channels);
    sums[i] = site.has_input(2) ? static_cast<double>(bs.span<float>()[m]) : 0.0;
  }
  for (int64_t n = 0; n < xs.shape()[0]; ++n)
    for (int64_t c = 0; c < extent.groups * extent.group_inputs; ++c)
      for (int64_t place = 0; place < plane; ++place) {
        const int64_t first = c / extent.group_inputs * extent.group_outputs;
        const double value = static_cast<double>(
            x[static_cast<size_t>((n * extent.groups * extent.group_inputs + c) * plane + place)]);
        visit_taps(extent.window, to, spatial_index(from, place), [&](int64_t offset, int64_t tap) {
          for (int64_t m = 0; m < extent.group_outputs; ++m)
            sums[static_cast<size_t>((n * channels + first + m) * places + offset)] +=
                value *
                static_cast<double>(w[static_cast<size_t>((c * extent.group_outputs + m) * kernel + tap)]);
        });
      }
  const std::vector<float> rounded(sums.begin(), sums.end());
  store_floats(rounded, outputs[0], 0);
}

}  // namespace

const OpSchema& conv_transpose_schema() {
  static const OpSchema schema = {.name = "ConvTranspose",
                                  .domain = "",
                                  .inputs = {{"X"}, {"W"}, {"B", true}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

ConvTransposeExtent conv_transpose_extent(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const Shape& w = site.input_shape(1);
  const int64_t groups = site.attributes->get_int("group", 1);
  ConvTransposeExtent extent{
      read_window(site, x, std::span(w.begin() + 2, w.end())), {}, groups, w[0] / groups, w[1]};
  const std::string auto_pad = site.attributes->get_string("auto_pad", "NOTSET");
  const bool same = auto_pad.starts_with("SAME");
  const size_t rank = static_cast<size_t>(extent.window.rank);
  const auto extra = site.attributes->get_ints("output_padding", std::vector<int64_t>(rank, 0));
  std::vector<int64_t> asked = site.attributes->get_ints("output_shape", {});
  if (asked.size() == rank + 2) asked.erase(asked.begin(), asked.begin() + 2);
  require(site, extra.size() == rank && (asked.empty() || asked.size() == rank),
          "output_padding and output_shape: expected {} values", rank);
  for (int64_t size : asked) require(site, size > 0, "output_shape: found {}", size);

  extent.output = Shape{x[0], w[1] * groups};
  for (size_t a = 0; a < rank; ++a) {
    WindowAxis& axis = extent.window.axes[a];
    const int64_t input = x[static_cast<int>(a) + 2];
    if (input < 0) {
      extent.output.push_back(asked.empty() ? Shape::kUnknownDim : asked[a]);
      continue;
    }
    require(site, 0 <= extra[a] && extra[a] < (int64_t{1} << 30) && input < (int64_t{1} << 31),
            "output_padding {} of an axis of {}", extra[a], input);
    const int64_t whole = std::max<int64_t>(input - 1, 0) * axis.stride + axis.span() + extra[a];
    if (!asked.empty() || same) {
      const int64_t wanted = asked.empty() ? input * axis.stride : asked[a];
      const int64_t total = std::max<int64_t>(0, whole - wanted);
      axis.pad_begin = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      axis.pad_end = total - axis.pad_begin;
      require(site, wanted > 0, "{} outputs along spatial axis {}", wanted, a);
      extent.output.push_back(wanted);
    } else {
      const int64_t outputs = whole - axis.pad_begin - axis.pad_end;
      require(site, outputs > 0, "{} outputs along spatial axis {}", outputs, a);
      extent.output.push_back(outputs);
    }
  }
  return extent;
}

}  // namespace halftone
