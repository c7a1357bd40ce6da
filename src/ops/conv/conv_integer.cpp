#include "ops/conv/conv_integer.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

std::vector<float> constant_floats(const OpSite& site, size_t input) {
  std::vector<float> numbers;
  if (!site.has_input(input)) return numbers;
  numbers.resize(static_cast<size_t>(site.input_shape(input).elements()));
  load_floats(site.inputs[input].constant->load().view(), 0, numbers);
  return numbers;
}

std::string gains_refusal(const OpSite& site) {
  const SiteInput& gains = site.inputs[kConvGains];
  if (!gains.constant || gains.encoding) return "the gains are no plain constant";
  const auto codes = site.storage_of_output(0).codes;
  if (!codes || codes->wide()) return "gains without codes of 8 bits";
  if (gate_of(fused_activation(site).kind) == Gate::none) return "gains behind no silu, gelu or hard_swish";
  if (requantization(site) != Requantization::floating) return "gains under fixed requantization";
  if (site.has_input(3)) return "gains beside a residual";
  const std::vector<float> numbers = constant_gains(site);
  const bool good = std::ranges::all_of(numbers, [](float g) { return g > 0 && std::isfinite(g); });
  return good ? "" : "a gain is not positive and finite";
}

}  // namespace

std::string integer_conv_refusal(const OpSite& site) {
  if (site.has_input(3) && !site.inputs[3].storage.codes) return "the residual is not stored as codes";
  if (site.storage_of_output(0).wide() && fused_activation(site).kind != FusedActivation::Kind::none)
    return "an activation of codes of 16 bits";
  if (site.has_input(3) && site.inputs[3].storage.wide()) return "the residual has codes of 16 bits";
  if (site.has_input(kConvGains))
    if (std::string refusal = gains_refusal(site); !refusal.empty()) return refusal;
  const Shape& w = site.input_shape(1);
  return integer_weights_refusal(site, 0, w.elements() / std::max<int64_t>(1, w[0]));
}

std::vector<float> constant_bias(const OpSite& site) {
  return constant_floats(site, 2);
}

std::vector<float> constant_gains(const OpSite& site) {
  return constant_floats(site, kConvGains);
}

std::vector<float> residual_scales(const OpSite& site, const QuantizedTensor& weights) {
  IntegerWeights integers = integer_weights(site, weights, 0, constant_bias(site));
  const CodeScale added = *site.inputs[3].storage.codes;
  const IntegerResidual residual = integer_residual(integers, added);
  std::vector<float> scales;
  for (size_t i = 0; i < residual.factors.size(); ++i) {
    const auto scale = static_cast<float>(residual.factors[i] * integers.units[i]);
    scales.push_back(scale > 0 ? scale : added.scale);
  }
  return scales;
}

void integer_conv_reference(const OpSite& site, std::span<const Operand> inputs,
                            std::span<const MutableTensorView> outputs) {
  const ConvExtent extent = conv_extent(site);
  IntegerWeights weights = integer_weights(site, *inputs[1].quantized, 0, constant_bias(site));
  const bool residual = site.has_input(3);
  const CodeScale added = residual ? *site.inputs[3].storage.codes : CodeScale{};
  const IntegerResidual joined = residual ? integer_residual(weights, added) : IntegerResidual{};
  const Requantizer requantizer(site, weights.units, constant_gains(site));
  const auto x = inputs[0].span<uint8_t>();
  const int32_t zero = site.inputs[0].storage.codes->zero;
  const Shape from = spatial_shape(site.input_shape(0)), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements(), kernel = extent.window.taps();
  const int64_t channels = weights.outputs;

  for (int64_t n = 0; n < outputs[0].shape[0]; ++n)
    for (int64_t m = 0; m < channels; ++m) {
      const int8_t* w = weights.codes.data() + m * weights.columns;
      const int64_t first = (n * extent.groups + m / extent.group_outputs) * extent.group_inputs;
      for (int64_t place = 0; place < places; ++place) {
        int32_t sum = weights.bias[static_cast<size_t>(m)];
        visit_taps(extent.window, from, spatial_index(to, place), [&](int64_t offset, int64_t tap) {
          for (int64_t c = 0; c < extent.group_inputs; ++c)
            sum += (x[static_cast<size_t>((first + c) * plane + offset)] - zero) * w[c * kernel + tap];
        });
        const size_t at = static_cast<size_t>((n * channels + m) * places + place);
        if (residual)
          sum = sum * (1 << joined.shift) +
                (inputs[3].span<uint8_t>()[at] - added.zero) * joined.factors[static_cast<size_t>(m)];
        if (site.storage_of_output(0).wide())
          outputs[0].span<int16_t>()[at] = requantizer.wide_code(sum, static_cast<size_t>(m));
        else if (requantizer.to_codes())
          outputs[0].span<uint8_t>()[at] = requantizer.code(sum, static_cast<size_t>(m));
        else
          outputs[0].span<float>()[at] = requantizer.value(sum, static_cast<size_t>(m));
      }
    }
}

}  // namespace halftone
