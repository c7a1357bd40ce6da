#include "ops/elementwise.h"

namespace halftone {

namespace {

/// What two dimensions that fit broadcast to, as far as is known. One that is unknown is taken for 1 or the
/// other: positions cut to a length that is computed meet texts of that length, and much follows from it.
/// Where the run shows another size, operators that were made of several by this say so.
int64_t broadcast_dim(int64_t m, int64_t n) {
  if (m == n || n == 1) return m;
  if (m == 1 || m == Shape::kUnknownDim) return n;
  if (n == Shape::kUnknownDim) return m;
  if (n >= 0) return n;  // the other is a symbol, of 1 or that number
  return m >= 0 ? m : Shape::kUnknownDim;
}

}  // namespace

Shape broadcast_shapes(const OpSite& site, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  auto dim_of = [rank](const Shape& shape, int axis) {
    const int own = axis - (rank - shape.rank());
    return own < 0 ? int64_t{1} : shape[own];
  };
  Shape out;
  for (int axis = 0; axis < rank; ++axis) {
    const int64_t m = dim_of(a, axis);
    const int64_t n = dim_of(b, axis);
    require(site, sizes_may_agree(m, n) || m == 1 || n == 1, "shapes {} and {} do not broadcast", a.str(),
            b.str());
    out.push_back(broadcast_dim(m, n));
  }
  return out;
}

bool shapes_agree(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), sizes_may_agree);
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int axis = 1; axis <= from.rank(); ++axis) {
    const int64_t dim = from[from.rank() - axis];
    if (dim != 1 && !sizes_may_agree(dim, to[to.rank() - axis])) return false;
  }
  return true;
}

std::vector<ValueType> infer_float_map(const OpSite& site) {
  require(site, is_float(site.inputs[0].type.dtype), "expected floating-point input, found {}",
          dtype_name(site.inputs[0].type.dtype));
  return {site.inputs[0].type};
}

std::vector<ValueType> infer_same(const OpSite& site) {
  return {site.inputs[0].type};
}

std::vector<ValueType> infer_arithmetic(const OpSite& site) {
  const DType a = site.inputs[0].type.dtype;
  const DType b = site.inputs[1].type.dtype;
  require(site, a == b, "inputs have different types, {} and {}", dtype_name(a), dtype_name(b));
  require_number(site, 0);
  return {{a, broadcast_shapes(site, site.input_shape(0), site.input_shape(1))}};
}

void require_number(const OpSite& site, size_t input) {
  const DType type = site.inputs[input].type.dtype;
  require(site, type != DType::boolean && type != DType::state, "no arithmetic on {}", dtype_name(type));
}

Cost elementwise_cost(const OpSite& site) {
  Cost cost = traffic(site);
  cost.flops = static_cast<double>(site.outputs[0].shape.elements());
  return cost;
}

Cost movement_cost(const OpSite& site) {
  return traffic(site);
}

Tensor plain(const Operand& operand) {
  return operand.quantized ? operand.quantized->decode() : Tensor::view_of(nullptr, operand.tensor);
}

}  // namespace halftone
