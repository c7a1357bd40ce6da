#include "ops/mat_mul/mat_mul.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

/// One product at the shapes that ONNX's rules for vectors give: A [batch..., m, k], B [batch..., k, n].
struct Extent {
  Shape a, b;
  Shape batch;
  int64_t m, k, n;
  bool a_vector, b_vector;
};

Shape leading(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<size_t>(shape.rank() - 2)));
}

Extent extent_of(const OpSite& site) {
  Extent e{};
  e.a = site.input_shape(0);
  e.b = site.input_shape(1);
  require(site, e.a.rank() > 0 && e.b.rank() > 0, "shapes {} and {}: a scalar has no matrix product",
          e.a.str(), e.b.str());
  e.a_vector = e.a.rank() == 1;
  e.b_vector = e.b.rank() == 1;
  if (e.a_vector) e.a = Shape{1, e.a[0]};
  if (e.b_vector) e.b = Shape{e.b[0], 1};
  e.m = e.a[e.a.rank() - 2];
  e.k = e.a.back();
  e.n = e.b.back();
  require(site, dims_agree(e.k, e.b[e.b.rank() - 2]), "shapes {} and {}: the inner sizes differ", e.a.str(),
          e.b.str());
  e.batch = broadcast_shapes(site, leading(e.a), leading(e.b));
  return e;
}

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
  const Extent e = extent_of(site);
  Shape out = e.batch;
  if (!e.a_vector) out.push_back(e.m);
  if (!e.b_vector) out.push_back(e.n);
  return {{type, out}};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops =
      2 * static_cast<double>(site.outputs[0].shape.elements()) * static_cast<double>(extent_of(site).k);
  return total;
}

template <class T>
void multiply(const Extent& e, std::span<const T> a, std::span<const T> b, std::span<T> y) {
  using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  const int64_t a_size = e.m * e.k;
  const int64_t b_size = e.k * e.n;
  walk<2>(e.batch, {broadcast_strides(leading(e.a), e.batch), broadcast_strides(leading(e.b), e.batch)},
          [&](int64_t batch, const std::array<int64_t, 2>& at) {
            for (int64_t row = 0; row < e.m; ++row)
              for (int64_t column = 0; column < e.n; ++column) {
                Sum sum = 0;
                for (int64_t i = 0; i < e.k; ++i)
                  sum += static_cast<Sum>(widen(a[static_cast<size_t>(at[0] * a_size + row * e.k + i)])) *
                         static_cast<Sum>(widen(b[static_cast<size_t>(at[1] * b_size + i * e.n + column)]));
                y[static_cast<size_t>((batch * e.m + row) * e.n + column)] = narrow<T>(sum);
              }
          });
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Extent e = extent_of(site);
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

}  // namespace halftone
