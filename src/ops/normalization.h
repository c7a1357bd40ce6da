#pragma once

#include <functional>

#include "ops/op_schema.h"

namespace halftone {

/// The attribute axis (-1) of a normalisation over inputs[0], whose type must be floating.
int normalized_axis(const OpSite& site);

/// UnsupportedError unless attribute stash_type is 1 (f32), as it is by default.
void require_f32_stash(const OpSite& site);

/// InputError unless inputs[input] broadcasts to inputs[0] without widening it.
void require_broadcasts_to_first(const OpSite& site, size_t input);

struct RowStatistics {
  double mean;
  float inverse_deviation;  ///< 1 / sqrt(variance + epsilon)
};
/// row = (row - mean) / sqrt(variance + epsilon), summed in double.
RowStatistics standardize(std::span<float> row, float epsilon);

/// Copies `from` to `to` a row at a time (all axes from `axis` on), each row passed through `change` as f32.
void for_each_row(const TensorView& from, const MutableTensorView& to, int axis,
                  const std::function<void(std::span<float> row)>& change);

/// y = y * inputs[1] + inputs[2] in f32, broadcast; inputs[2] may be absent.
void scale_and_shift(std::span<const Operand> inputs, const MutableTensorView& y);

}  // namespace halftone
