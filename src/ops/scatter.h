#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// What scattering does where it meets what is there.
enum class Reduction { none, add, mul, max, min };

/// Attribute reduction. InputError for others, and for sums of booleans.
Reduction reduction_of(const OpSite& site);

/// Element `to` of `out` becomes itself combined with element `from` of `updates` of the same type.
void scatter_element(Reduction reduction, const MutableTensorView& out, int64_t to, const TensorView& updates,
                     int64_t from);

}  // namespace halftone
