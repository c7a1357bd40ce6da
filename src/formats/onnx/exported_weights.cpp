#include "formats/onnx/exported_weights.h"

#include "base/error.h"
#include "ops/conv/conv_integer.h"
#include "ops/gemm/gemm_integer.h"

namespace halftone {
namespace {

Tensor turned(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  Tensor result = Tensor::allocate(DType::i8, {columns, rows});
  const auto from = matrix.span<int8_t>();
  const auto to = result.mutable_view().span<int8_t>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
  return result;
}

Tensor vector_of(const std::vector<float>& values) {
  return Tensor::from<float>({static_cast<int64_t>(values.size())}, values);
}

}  // namespace

ExportedWeights export_integer_layer(PlainGraph& to, const Node& node, const OpSite& site,
                                     const QuantizedTensor& weights, const std::string& name,
                                     const IntegerLayerForm& form) {
  const bool conv = node.schema->name == "Conv";
  const int output_axis = conv ? 0 : code_product(site).output_axis;
  const std::vector<float> given =
      conv ? constant_bias(site) : product_bias(site, code_product(site).outputs);
  const IntegerWeights integers = integer_weights(site, weights, output_axis, given);

  const float input_scale = site.inputs[0].storage.codes->scale;
  std::vector<float> scales, bias_scales, bias;
  for (size_t i = 0; i < integers.units.size(); ++i) {
    const auto scale = static_cast<float>(integers.units[i] / double{input_scale});
    scales.push_back(scale > 0 ? scale : 1);
    bias_scales.push_back(input_scale * scales.back());
    bias.push_back(static_cast<float>(integers.bias[i]) * bias_scales.back());
  }
  const bool outputs_last = form.turned || output_axis != 0;
  const Shape rows = conv ? weights.shape() : Shape{integers.outputs, integers.columns};
  const Tensor codes = Tensor::from<int8_t>(rows, integers.codes);

  ExportedWeights exported;
  const Attributes axis = {{"axis", int64_t{outputs_last ? 1 : 0}}};
  exported.weights = to.node("DequantizeLinear", name,
                             {to.constant(name + "/codes", outputs_last ? turned(codes) : codes),
                              to.constant(name + "/scales", vector_of(scales))},
                             axis);
  if (!site.has_input(2)) return exported;
  const std::string bias_name = std::string(site.name) + "/bias";
  if (form.floating_bias) {
    exported.bias = to.constant(bias_name, vector_of(bias));
    return exported;
  }
  const ValueId sums =
      to.constant(bias_name + "/codes", Tensor::from<int32_t>({integers.outputs}, integers.bias));
  exported.bias =
      to.node("DequantizeLinear", bias_name,
              {sums, to.constant(bias_name + "/scales", vector_of(bias_scales))}, {{"axis", int64_t{0}}});
  return exported;
}

ValueId dequantized(PlainGraph& to, const std::string& name, const QuantizedTensor& tensor) {
  const Encoding& encoding = tensor.encoding();
  const ScaleGrid& grid = tensor.grid();
  const bool single = grid.size() == 1, by_row = grid.groups == 1 && grid.rows == tensor.rows();
  const bool by_column = grid.rows == 1 && grid.group == 1 && tensor.shape().rank() == 2;
  const bool blocks = !single && !by_row && !by_column && tensor.shape().rank() == 2 &&
                      grid.rows == tensor.rows() && tensor.columns() % grid.group == 0;
  if (!encoding.format->is_integer() || encoding.real_minimum ||
      (!single && !by_row && !by_column && !blocks))
    throw UnsupportedError(
        "{}: encoded as {}, which DequantizeLinear cannot say; --format onnx writes it decoded", name,
        encoding.str());

  const int32_t middle = 1 << (encoding.format->bits() - 1);
  const auto columns = static_cast<size_t>(tensor.columns()), groups = static_cast<size_t>(grid.groups);
  Tensor codes = Tensor::allocate(DType::i8, tensor.shape());
  const auto to_codes = codes.mutable_view().span<int8_t>();
  std::vector<uint8_t> row(columns);
  std::vector<float> scales;
  std::vector<int8_t> zeros;
  std::vector<float> row_scales(groups);
  std::vector<int32_t> row_zeros(groups);
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    tensor.row_codes(r, row);
    for (size_t c = 0; c < columns; ++c)
      to_codes[static_cast<size_t>(r) * columns + c] = static_cast<int8_t>(row[c] - middle);
    if (r >= grid.rows) continue;
    tensor.row_scales(r, row_scales);
    tensor.row_zeros(r, row_zeros);
    scales.insert(scales.end(), row_scales.begin(), row_scales.end());
    for (int32_t zero : row_zeros) zeros.push_back(static_cast<int8_t>(zero - middle));
  }
  const Shape shape = single ? Shape{} : blocks ? Shape{grid.rows, grid.groups} : Shape{grid.size()};
  std::vector<ValueId> inputs{to.constant(name + "/codes", codes),
                              to.constant(name + "/scales", Tensor::from<float>(shape, scales))};
  if (!encoding.symmetric) inputs.push_back(to.constant(name + "/zeros", Tensor::from<int8_t>(shape, zeros)));
  Attributes attributes;
  if (!single) attributes.set("axis", int64_t{by_row ? 0 : 1});
  if (blocks) attributes.set("block_size", grid.group);
  return to.node("DequantizeLinear", name, inputs, attributes);
}

}  // namespace halftone
