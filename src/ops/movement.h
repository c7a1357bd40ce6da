#pragma once

#include <optional>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// The elements of a constant integer input (i32 or i64), or nothing when it is absent. UnsupportedError when
/// it is computed at run time, InputError when it is not a vector (or scalar) of integers.
std::optional<std::vector<int64_t>> constant_ints(const OpSite& site, size_t input);

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
