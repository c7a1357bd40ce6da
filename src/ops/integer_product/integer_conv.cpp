#include "ops/conv/convolve.h"
#include "ops/elementwise.h"
#include "ops/integer_product/integer_product.h"

namespace halftone {
namespace {

/// Where the two operators have their inputs.
struct Places {
  size_t w, x_zero, w_zero;
};
constexpr Places kInteger{1, 2, 3}, kLinear{3, 2, 5};
enum Linear : size_t { kXScale = 1, kWScale = 4, kYScale = 6, kYZero = 7, kBias = 8 };

ConvExtent extent_of(const OpSite& site, const Places& places) {
  return conv_extent(site, site.input_shape(0), site.input_shape(places.w));
}

/// One element, or one an output channel where `channels` says so.
void check_spread(const OpSite& site, size_t input, int64_t channels) {
  if (!site.has_input(input) || !site.input_shape(input).is_concrete()) return;
  const Shape& shape = site.input_shape(input);
  require(site, shape.elements() == 1 || shape == Shape{channels}, "{}: expected one element{}, found {}",
          site.schema->inputs[input].name, channels > 1 ? fmt::format(" or [{}]", channels) : "",
          shape.str());
}

Shape check_conv(const OpSite& site, const Places& places) {
  require_codes(site, 0);
  require_codes(site, places.w);
  const Shape& w = site.input_shape(places.w);
  const Shape y = conv_output_shape(site, site.input_shape(0), w);
  check_spread(site, places.x_zero, 1);
  check_spread(site, places.w_zero, w[0]);
  return y;
}

std::vector<ValueType> infer_integer(const OpSite& site) {
  require_scale_and_zero(site, SIZE_MAX, kInteger.x_zero, 0);
  require_scale_and_zero(site, SIZE_MAX, kInteger.w_zero, kInteger.w);
  return {{DType::i32, check_conv(site, kInteger)}};
}

std::vector<ValueType> infer_linear(const OpSite& site) {
  require_scale_and_zero(site, kXScale, kLinear.x_zero, 0);
  require_scale_and_zero(site, kWScale, kLinear.w_zero, kLinear.w);
  require_scale_and_zero(site, kYScale, kYZero, kYZero);
  require_codes(site, kYZero);
  const Shape y = check_conv(site, kLinear);
  const int64_t channels = site.input_shape(kLinear.w)[0];
  for (size_t i : {kXScale, kYScale, kYZero}) check_spread(site, i, 1);
  check_spread(site, kWScale, channels);
  if (site.has_input(kBias))
    require(site, site.inputs[kBias].type == (ValueType{DType::i32, Shape{channels}}),
            "B: expected i32 [{}], found {} {}", channels, dtype_name(site.inputs[kBias].type.dtype),
            site.input_shape(kBias).str());
  return {{site.inputs[kYZero].type.dtype, y}};
}

template <const Places& kPlaces>
Cost cost(const OpSite& site) {
  const ConvExtent extent = extent_of(site, kPlaces);
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(site.outputs[0].shape.elements()) *
                static_cast<double>(extent.group_inputs * extent.window.taps());
  return total;
}

std::vector<int32_t> sum_products(const OpSite& site, const Places& places, std::span<const Operand> inputs,
                                  const Shape& y, std::span<const int32_t> bias) {
  auto codes = [&](size_t input, size_t zero) {
    return centred(plain(inputs[input]), site.has_input(zero) ? &inputs[zero] : nullptr, 0);
  };
  const std::vector<int32_t> x = codes(0, places.x_zero), w = codes(places.w, places.w_zero);
  std::vector<int32_t> sums(static_cast<size_t>(y.elements()));
  convolve<uint64_t, int32_t>(extent_of(site, places), x, site.input_shape(0), w, y,
                              [&](int64_t at, int64_t channel, uint64_t sum) {
                                if (!bias.empty())
                                  sum += static_cast<uint64_t>(bias[static_cast<size_t>(channel)]);
                                sums[static_cast<size_t>(at)] = static_cast<int32_t>(sum);
                              });
  return sums;
}

void integer_reference(const OpSite& site, std::span<const Operand> inputs,
                       std::span<const MutableTensorView> outputs) {
  const std::vector<int32_t> sums = sum_products(site, kInteger, inputs, outputs[0].shape, {});
  std::copy(sums.begin(), sums.end(), outputs[0].span<int32_t>().begin());
}

void linear_reference(const OpSite& site, std::span<const Operand> inputs,
                      std::span<const MutableTensorView> outputs) {
  std::span<const int32_t> bias;
  if (site.has_input(kBias)) bias = inputs[kBias].span<int32_t>();
  const std::vector<int32_t> sums = sum_products(site, kLinear, inputs, outputs[0].shape, bias);
  Requantizer(inputs[kXScale], 1, inputs[kWScale], 1, inputs[kYScale], inputs[kYZero])
      .write(sums, outputs[0]);
}

}  // namespace

std::span<const OpSchema> integer_conv_schemas() {
  static const OpSchema schemas[] = {
      {.name = "ConvInteger",
       .domain = "",
       .inputs = {{"x"}, {"w"}, {"x_zero_point", true}, {"w_zero_point", true}},
       .outputs = {"y"},
       .infer = infer_integer,
       .cost = cost<kInteger>,
       .reference = integer_reference},
      {.name = "QLinearConv",
       .domain = "",
       .inputs = {{"x"},
                  {"x_scale"},
                  {"x_zero_point"},
                  {"w"},
                  {"w_scale"},
                  {"w_zero_point"},
                  {"y_scale"},
                  {"y_zero_point"},
                  {"B", true}},
       .outputs = {"y"},
       .infer = infer_linear,
       .cost = cost<kLinear>,
       .reference = linear_reference},
  };
  return schemas;
}

}  // namespace halftone
