#include "ops/mat_mul/mat_mul.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const DType type = site.inputs[0].type.dtype;
  require(site,
          type == site.inputs[1].type.dtype && (is_float(type) || type == DType::i32 || type == DType::i64),
          "expected two inputs of one floating type, i32 or i64; found {} and {}", dtype_name(type),
          dtype_name(site.inputs[1].type.dtype));
  for (const SiteInput& input : site.inputs)
    if (input.encoding && !input.constant)
      throw UnsupportedError("{} (MatMul): activations in {}; only Gemm has integer products", site.name,
                             input.encoding->str());
  return {{type, mat_mul_extent(site, site.input_shape(0), site.input_shape(1)).output()}};
}

Cost cost(const OpSite& site) {
  const MatMulExtent e = mat_mul_extent(site, site.input_shape(0), site.input_shape(1));
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(site.outputs[0].shape.elements()) * static_cast<double>(e.k);
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const MatMulExtent e = mat_mul_extent(site, site.input_shape(0), site.input_shape(1));
  const Tensor a = plain(inputs[0]);
  const Tensor b = plain(inputs[1]);
  visit_number(outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    multiply<T>(e, a.span<T>(), b.span<T>(), outputs[0].span<T>());
  });
}

}  // namespace

const OpSchema& mat_mul_schema() {
  static const OpSchema schema = {
      .name = "MatMul",
      .domain = "",
      .inputs = {{"A"}, {"B"}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

Shape batch_shape(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<size_t>(shape.rank() - 2)));
}

Shape MatMulExtent::output() const {
  Shape shape = batch;
  if (!a_vector) shape.push_back(m);
  if (!b_vector) shape.push_back(n);
  return shape;
}

MatMulExtent mat_mul_extent(const OpSite& site, const Shape& a, const Shape& b) {
  MatMulExtent e{};
  e.a = a;
  e.b = b;
  require(site, a.rank() > 0 && b.rank() > 0, "shapes {} and {}: a scalar has no matrix product", a.str(),
          b.str());
  e.a_vector = a.rank() == 1;
  e.b_vector = b.rank() == 1;
  if (e.a_vector) e.a = Shape{1, a[0]};
  if (e.b_vector) e.b = Shape{b[0], 1};
  e.m = e.a[e.a.rank() - 2];
  e.k = e.a.back();
  e.n = e.b.back();
  require(site, sizes_may_agree(e.k, e.b[e.b.rank() - 2]), "shapes {} and {}: the inner sizes differ",
          e.a.str(), e.b.str());
  e.batch = broadcast_shapes(site, batch_shape(e.a), batch_shape(e.b));
  return e;
}

}  // namespace halftone
