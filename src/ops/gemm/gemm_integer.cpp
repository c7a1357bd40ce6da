#include "ops/gemm/gemm_integer.h"

namespace halftone {

CodeProduct code_product(const OpSite& site) {
  const Shape& a = site.input_shape(0);
  const int axis = site.attributes->get_int("transB", 0) != 0 ? 0 : 1;
  const Shape& b = site.input_shape(1);
  CodeProduct product{1, b[1 - axis], b[axis], axis};
  for (int i = 0; i + 1 < a.rank(); ++i) product.rows *= a[i];
  return product;
}

std::string integer_product_refusal(const OpSite& site) {
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.attributes->get_float("alpha", 1) != 1 || site.attributes->get_float("beta", 1) != 1)
    return "alpha or beta is not 1";
  if (site.input_shape(1).rank() != 2 || site.input_shape(0).rank() < 2) return "not a product with a matrix";
  if (site.storage_of_output(0).wide() && fused_activation(site).kind != FusedActivation::Kind::none)
    return "an activation of codes of 16 bits";
  const CodeProduct product = code_product(site);
  if (site.has_input(2)) {
    const Shape& c = site.input_shape(2);
    if (c.elements() != 1 &&
        (c.rank() == 0 || c.back() != product.outputs || c.elements() != product.outputs))
      return "C is not one number an output";
  }
  return integer_weights_refusal(site, product.output_axis, product.columns);
}

std::string integer_rows_refusal(const OpSite& site) {
  if (std::string refusal = integer_product_refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].storage.order != Storage::Order::planar ||
      site.storage_of_output(0).order != Storage::Order::planar)
    return "the values are not stored row by row";
  return {};
}

IntegerWeights product_weights(const OpSite& site) {
  const CodeProduct product = code_product(site);
  return integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)),
                         product.output_axis, product_bias(site, product.outputs));
}

std::vector<float> product_bias(const OpSite& site, int64_t outputs) {
  if (!site.has_input(2)) return {};
  std::vector<float> bias(static_cast<size_t>(site.input_shape(2).elements()));
  load_floats(site.inputs[2].constant->load().view(), 0, bias);
  if (bias.size() == 1) bias.resize(static_cast<size_t>(outputs), bias[0]);
  return bias;
}

void integer_product_reference(const OpSite& site, std::span<const Operand> inputs,
                               std::span<const MutableTensorView> outputs) {
  const CodeProduct product = code_product(site);
  const IntegerWeights weights =
      integer_weights(site, *inputs[1].quantized, product.output_axis, product_bias(site, product.outputs));
  const Requantizer requantizer(site, weights.units);
  const auto a = inputs[0].span<uint8_t>();
  const int32_t zero = site.inputs[0].storage.codes->zero;
  for (int64_t m = 0; m < product.rows; ++m)
    for (int64_t n = 0; n < product.outputs; ++n) {
      int32_t sum = weights.bias[static_cast<size_t>(n)];
      for (int64_t k = 0; k < product.columns; ++k)
        sum += (a[static_cast<size_t>(m * product.columns + k)] - zero) *
               weights.codes[static_cast<size_t>(n * product.columns + k)];
      const auto at = static_cast<size_t>(m * product.outputs + n);
      if (site.storage_of_output(0).wide())
        outputs[0].span<int16_t>()[at] = requantizer.wide_code(sum, static_cast<size_t>(n));
      else if (requantizer.to_codes())
        outputs[0].span<uint8_t>()[at] = requantizer.code(sum, static_cast<size_t>(n));
      else
        outputs[0].span<float>()[at] = requantizer.value(sum, static_cast<size_t>(n));
    }
}

}  // namespace halftone
