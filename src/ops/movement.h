#pragma once

#include <optional>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// The value of an input, if it is at hand: a constant's, or what a run has computed by the time it asks the
/// shape rule again. Decoded if it is codes.
std::optional<Tensor> known_value(const OpSite& site, size_t input);

/// The elements of an input that is a vector (or scalar) of integers (i32 or i64), or nothing when it is
/// absent or not known yet. InputError when it is something else. Shape rules that get nothing of an input
/// that is present answer Shape::kUnknownDim; they are asked again when the value is known.
std::optional<std::vector<int64_t>> known_ints(const OpSite& site, size_t input);

/// How many elements a vector input has. UnsupportedError where the shape does not say: the number of
/// dimensions that depends on it must be known ahead.
int known_length(const OpSite& site, size_t input);

/// A shape of which only the number of dimensions is known.
Shape unknown_shape(int rank);

/// attributes[name], or `fallback`, as an axis of a tensor of `rank` dimensions. InputError out of range.
int axis_attribute(const OpSite& site, std::string_view name, int64_t fallback, int rank);
/// `axis` counted from the front. InputError out of range.
int checked_axis(const OpSite& site, int64_t axis, int rank);

/// to[i] = from[j] for elements of `size` bytes.
void copy_element(std::byte* to, int64_t i, const std::byte* from, int64_t j, size_t size);

/// outputs[0] gets the bytes of inputs[0]: the reference of operators that only rename the shape.
void copy_reference(const OpSite& site, std::span<const Operand> inputs,
                    std::span<const MutableTensorView> outputs);

}  // namespace halftone
