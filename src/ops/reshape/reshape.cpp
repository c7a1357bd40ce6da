#include "ops/reshape/reshape.h"

#include <algorithm>

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// A product of sizes and symbols.
struct Product {
  int64_t sizes = 1;
  std::vector<int64_t> symbols;
};

Product product_of(const OpSite& site, const Shape& shape) {
  Product product;
  for (int64_t dim : shape) {
    if (dim < 0) {
      product.symbols.push_back(dim);
      continue;
    }
    const auto sizes = checked_mul(product.sizes, dim);
    require(site, sizes.has_value(), "shape {} has too many elements", shape.str());
    product.sizes = *sizes;
  }
  return product;
}

/// whole / part, or kUnknownDim when that is not one size or one symbol. Sizes that do not divide are an
/// error.
int64_t quotient(const OpSite& site, Product whole, const Product& part) {
  for (int64_t symbol : part.symbols) {
    auto found = std::find(whole.symbols.begin(), whole.symbols.end(), symbol);
    if (found == whole.symbols.end() || symbol == Shape::kUnknownDim) return Shape::kUnknownDim;
    whole.symbols.erase(found);
  }
  if (whole.symbols.size() == 1 && whole.sizes == part.sizes) return whole.symbols[0];
  if (!whole.symbols.empty()) return Shape::kUnknownDim;
  require(site, part.sizes != 0 && whole.sizes % part.sizes == 0,
          "{} elements do not divide among {} for the axis of -1", whole.sizes, part.sizes);
  return whole.sizes / part.sizes;
}

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& input = site.input_shape(0);
  const bool keep_zero = site.attributes->get_int("allowzero", 0) != 0;
  require(site, site.has_input(1), "input shape is missing");
  const auto asked = known_ints(site, 1);
  if (!asked) return {{site.inputs[0].type.dtype, asked_shape(site)}};

  Shape shape;
  Shape known;
  Shape rest = input;  ///< without what is unknown, or 0 beside -1, and stays where it is: it cancels
  int inferred = -1;
  const bool infers = std::ranges::find(*asked, -1) != asked->end();
  for (int64_t dim : *asked) {
    const int axis = shape.rank();
    require(site, dim >= -1, "shape: {} is no size", dim);
    require(site, dim != -1 || inferred < 0, "shape: more than one -1");
    require(site, dim != 0 || keep_zero || axis < input.rank(), "shape: 0 on axis {} of input {}", axis,
            input.str());
    if (dim == 0 && !keep_zero)
      dim = input[axis];
    else if (dim == -1)
      inferred = axis;
    shape.push_back(dim);
    const bool stays = axis < input.rank() && (*asked)[static_cast<size_t>(axis)] == 0 && !keep_zero;
    if (stays && (dim == Shape::kUnknownDim || (dim == 0 && infers)))
      rest[axis] = 1;
    else if (axis != inferred)
      known.push_back(dim);
  }
  const Product whole = product_of(site, rest);
  const Product part = product_of(site, known);
  if (inferred >= 0)
    shape[inferred] = quotient(site, whole, part);
  else if (whole.symbols.empty() && part.symbols.empty())
    require(site, whole.sizes == part.sizes, "input {} does not fit shape {}", input.str(), shape.str());
  check_known_dims(site, shape);
  return {{site.inputs[0].type.dtype, shape}};
}

}  // namespace

void check_known_dims(const OpSite& site, const Shape& shape) {
  const std::vector<int64_t> dims = site.attributes->get_ints("known_dims", {});
  for (size_t axis = 0; axis < dims.size() && dims.size() == static_cast<size_t>(shape.rank()); ++axis) {
    const int64_t size = shape[static_cast<int>(axis)];
    require(site, dims[axis] < 0 || size < 0 || size == dims[axis],
            "attribute known_dims: {} on axis {}, found {}", dims[axis], axis, shape.str());
  }
}

Shape asked_shape(const OpSite& site) {
  const Shape unknown = unknown_shape(known_length(site, 1));
  const std::vector<int64_t> dims = site.attributes->get_ints("known_dims", {});
  if (dims.size() != static_cast<size_t>(unknown.rank())) return unknown;
  return Shape(dims);
}

const OpSchema& reshape_schema() {
  static const OpSchema schema = {
      .name = "Reshape",
      .domain = "",
      .inputs = {{"data"}, {"shape"}},
      .outputs = {"reshaped"},
      .infer = infer,
      .cost = movement_cost,
      .reference = copy_reference,
      .alias = true,
  };
  return schema;
}

}  // namespace halftone
