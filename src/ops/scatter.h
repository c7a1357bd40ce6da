#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// What scattering does where it meets what is there.
enum class Reduction { none, add, mul, max, min };

/// What scattering operators check of (data, indices, updates) alike: types and the reduction.
void require_scatter_types(const OpSite& site);

/// Attribute reduction. InputError for others, and for sums of booleans.
Reduction reduction_of(const OpSite& site);

/// Element `to` of `out` becomes itself combined with element `from` of `updates` of the same type.
void scatter_element(Reduction reduction, const MutableTensorView& out, int64_t to, const TensorView& updates,
                     int64_t from);

}  // namespace halftone
