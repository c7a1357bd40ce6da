#include "ops/conv/conv_dynamic.h"

#include "ops/conv/convolve.h"
#include "ops/elementwise.h"
#include "ops/fused_activation.h"
#include "scheme/dynamic.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// The same site with X as codes of unit scale, which is what integer weights go with.
OpSite on_codes(const OpSite& site) {
  OpSite coded = site;
  coded.inputs[0].storage.codes = CodeScale{1, 128};
  return coded;
}

}  // namespace

std::string dynamic_conv_refusal(const OpSite& site) {
  const Encoding* x = site.inputs[0].encoding;
  if (!x) return "X has no dynamic encoding";
  if (x->timing != Timing::dynamic || x->format->name() != "int8" || !x->symmetric ||
      x->granularity.kind != Granularity::Kind::per_token)
    return fmt::format("X is {}, not int8 per-token dynamic", x->str());
  const Shape& w = site.input_shape(1);
  return integer_weights_refusal(on_codes(site), 0, w.elements() / std::max<int64_t>(1, w[0]));
}

IntegerWeights dynamic_conv_weights(const OpSite& site, const QuantizedTensor& weights) {
  return integer_weights(on_codes(site), weights, 0, {});
}

void dynamic_conv_reference(const OpSite& site, std::span<const Operand> inputs,
                            std::span<const MutableTensorView> outputs) {
  const std::string refusal = dynamic_conv_refusal(site);
  require(site, refusal.empty(), "{}", refusal);
  auto f32 = [&](size_t i) { return site.has_input(i) ? to_f32(plain(inputs[i])) : Tensor(); };
  const Tensor xs = f32(0), bs = f32(2), rs = f32(3), gs = f32(kConvGains);
  const IntegerWeights weights = dynamic_conv_weights(site, *inputs[1].quantized);
  const FusedActivation activation = fused_activation(site);
  const int64_t pictures = xs.shape()[0], elements = xs.shape().elements() / std::max<int64_t>(1, pictures);
  std::vector<int8_t> codes(static_cast<size_t>(xs.shape().elements()));
  std::vector<float> scales(static_cast<size_t>(pictures));
  for (size_t n = 0; n < scales.size(); ++n) {
    const size_t count = static_cast<size_t>(elements);
    quantize_token(xs.span<float>().subspan(n * count, count), std::span(codes).subspan(n * count, count),
                   scales[n]);
  }
  const int64_t outputs_a_picture = outputs[0].shape.elements() / std::max<int64_t>(1, pictures);
  convolve<int32_t, int8_t>(conv_extent(site), codes, xs.shape(), weights.codes, outputs[0].shape,
                            [&](int64_t at, int64_t channel, int32_t sum) {
                              const auto c = static_cast<size_t>(channel);
                              float y = static_cast<float>(sum) * static_cast<float>(weights.units[c]);
                              y *= scales[static_cast<size_t>(at / outputs_a_picture)];
                              if (site.has_input(2)) y += bs.span<float>()[c];
                              if (site.has_input(3)) y += rs.span<float>()[static_cast<size_t>(at)];
                              y = apply_activation(activation, y);
                              if (site.has_input(kConvGains)) y *= gs.span<float>()[c];
                              store_floats({&y, 1}, outputs[0], at);
                            });
}

}  // namespace halftone
