#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX ReduceSum (13), ReduceMax, ReduceMin (20), ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp,
/// ReduceMean, ReduceProd, ReduceSumSquare (18): the elements of data along some axes become one.
///
/// Inputs: data; axes, integers, optional: without them (or with none of them) all axes, or with
/// noop_with_empty_axes = 1 no axis at all.
/// Attributes: keepdims (1: reduced axes stay, of size 1), noop_with_empty_axes (0).
/// Number types, for ReduceMax and ReduceMin bool too. Floating types are computed in f64; integer sums and
/// products wrap around, everything else of integers is cut towards zero. No elements: the sum 0, the product
/// 1, the mean NaN, the maximum the least number of the type and the minimum the greatest.
std::span<const OpSchema> reduction_schemas();

/// Which axes of data such an operator takes away, by axis; nothing while its input axes is not known.
std::optional<std::vector<bool>> reduced_axes(const OpSite& site);

/// ONNX ArgMax and ArgMin (13): the index of the largest or smallest element along attribute axis (0), i64.
/// Attributes keepdims (1), select_last_index (0: of equal ones the first). NaN is larger, and smaller, than
/// everything.
std::span<const OpSchema> arg_reduction_schemas();

}  // namespace halftone
